"""Type commands with files damaged in every known way; each must work or be refused in one line.

    python scripts/try_bad_input.py                    all, in five minutes or so
    python scripts/try_bad_input.py --only picture     one kind
    python scripts/try_bad_input.py --table            write the tables in docs/; runs nothing

Needs no data: everything is made in a temporary folder. Exit code 1 if anything else happens.
"""

import argparse
import sys

from bad_input.running import run_all
from bad_input.tables import pages


def main() -> int:
    """Return 0 where every case came out as it must."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="kinds that begin with this")
    parser.add_argument(
        "--table", action="store_true", help="write the tables in docs/, run nothing"
    )
    options = parser.parse_args()
    if options.table:
        for page, content in pages().items():
            page.write_text(content, encoding="utf-8")
        return 0
    results = []
    for result in run_all(options.only):
        results.append(result)
        sign = "ok " if result.fits else "BAD"
        kind = f"{result.case.kind}: {result.case.fault}"
        print(f"{sign} {kind} -> {result.outcome} {result.line[:160]}", flush=True)
    wrong = sum(not result.fits for result in results)
    print(f"{len(results)} cases, {wrong} not as they must be", file=sys.stderr)
    return 1 if wrong or not results else 0


if __name__ == "__main__":
    sys.exit(main())
