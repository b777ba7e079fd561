"""Type commands with files damaged in every known way; each must work or be refused in one line.

    python scripts/try_bad_input.py                    all, in five minutes or so
    python scripts/try_bad_input.py --only picture     one kind
    python scripts/try_bad_input.py --table            as the table in the README

Needs no data: everything is made in a temporary folder. Exit code 1 if anything else happens.
"""

import argparse
import sys

from bad_input.case import LINE, WORKS
from bad_input.running import CaseResult, run_all


def main() -> int:
    """Return 0 where every case came out as it must."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="kinds that begin with this")
    parser.add_argument("--table", action="store_true", help="print the README's table alone")
    options = parser.parse_args()
    results = []
    for result in run_all(options.only):
        results.append(result)
        if not options.table:
            sign = "ok " if result.fits else "BAD"
            kind = f"{result.case.kind}: {result.case.fault}"
            print(f"{sign} {kind} -> {result.outcome} {result.line[:160]}", flush=True)
    if options.table:
        print(as_table(results))
    wrong = sum(not result.fits for result in results)
    print(f"{len(results)} cases, {wrong} not as they must be", file=sys.stderr)
    return 1 if wrong or not results else 0


def as_table(results: list[CaseResult]) -> str:
    """Return a line a kind: what works, and what is refused, or ends, in one line."""
    kinds = list(dict.fromkeys(result.case.kind for result in results))
    lines = ["| handed in, or done to it | works | one clear line |", "|---|---|---|"]
    for kind in kinds:
        own = [result for result in results if result.case.kind == kind]
        works = "; ".join(a.case.fault for a in own if a.outcome == WORKS)
        refused = "; ".join(_fault(result) for result in own if result.outcome != WORKS)
        lines.append(f"| {kind} | {works} | {refused} |")
    return "\n".join(lines)


def _fault(result: CaseResult) -> str:
    how = "" if result.outcome == LINE else f" ({result.outcome})"
    return result.case.fault + how


if __name__ == "__main__":
    sys.exit(main())
