"""Hand in files that are spoilt in every known way; each must work or be refused in one line.

    python scripts/try_bad_input.py                    all, in five minutes or so
    python scripts/try_bad_input.py --only picture     one kind
    python scripts/try_bad_input.py --table            as the table in the README

Needs no data: everything is made in a temporary folder. Exit code 1 if anything else happens.
"""

import argparse
import sys

from bad_input.asking import Answer, ask_all
from bad_input.case import LINE, WORKS


def main() -> int:
    """Return 0 where every case came out as it must."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="kinds that begin with this")
    parser.add_argument("--table", action="store_true", help="print the README's table alone")
    options = parser.parse_args()
    answers = []
    for answer in ask_all(options.only):
        answers.append(answer)
        if not options.table:
            sign = "ok " if answer.fits else "BAD"
            kind = f"{answer.case.kind}: {answer.case.fault}"
            print(f"{sign} {kind} -> {answer.outcome} {answer.line[:160]}", flush=True)
    if options.table:
        print(as_table(answers))
    wrong = sum(not answer.fits for answer in answers)
    print(f"{len(answers)} cases, {wrong} not as they must be", file=sys.stderr)
    return 1 if wrong or not answers else 0


def as_table(answers: list[Answer]) -> str:
    """Return a line a kind: what works, and what is refused, or ends, in one line."""
    kinds = list(dict.fromkeys(answer.case.kind for answer in answers))
    lines = ["| handed in, or done to it | works | one clear line |", "|---|---|---|"]
    for kind in kinds:
        own = [answer for answer in answers if answer.case.kind == kind]
        works = "; ".join(a.case.fault for a in own if a.outcome == WORKS)
        refused = "; ".join(_told(answer) for answer in own if answer.outcome != WORKS)
        lines.append(f"| {kind} | {works} | {refused} |")
    return "\n".join(lines)


def _told(answer: Answer) -> str:
    how = "" if answer.outcome == LINE else f" ({answer.outcome})"
    return answer.case.fault + how


if __name__ == "__main__":
    sys.exit(main())
