"""docs/bad_input.md says what the cases of scripts/try_bad_input.py say."""

import try_bad_input
from bad_input.kinds import grouped


def test_the_page_holds_every_case_as_it_stands() -> None:
    """After a new case: python scripts/try_bad_input.py --table"""
    assert try_bad_input.TABLE.read_text(encoding="utf-8") == try_bad_input.as_page()


def test_no_two_cases_of_a_kind_have_one_name() -> None:
    names = [(case.kind, case.fault) for _, cases in grouped() for case in cases]
    assert len(set(names)) == len(names)
