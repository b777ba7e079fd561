"""The manual's tables of bad input say what the cases of scripts/try_bad_input.py say."""

import re
from collections import Counter

from bad_input.case import LINE, STOPS, WORKS
from bad_input.kinds import grouped
from bad_input.tables import DOCS, pages


def test_the_pages_hold_every_case_as_it_stands() -> None:
    """After a new case: python scripts/try_bad_input.py --table"""
    for page, content in pages().items():
        assert page.read_text(encoding="utf-8") == content, page.name


def test_the_sums_are_those_of_the_cases() -> None:
    """Counted anew, of all and of each kind."""
    every = [case for _, cases in grouped() for case in cases]
    count = Counter(case.outcome for case in every)
    came_to = f"works: {count[WORKS]}, one line: {count[LINE]}, stops: {count[STOPS]}"
    sums = (DOCS / "reliability.md").read_text(encoding="utf-8")
    assert f"| **all** |  | {len(every)} | {came_to} |\n" in sums
    page = (DOCS / "bad_input.md").read_text(encoding="utf-8")
    kinds = re.findall(r"^\| ([^|*]+) \| .+ \| (\d+) \| .+ \|$", page, re.M)
    assert {name: int(number) for name, number in kinds} == Counter(case.kind for case in every)


def test_no_two_cases_of_a_kind_have_one_name() -> None:
    names = [(case.kind, case.fault) for _, cases in grouped() for case in cases]
    assert len(set(names)) == len(names)
