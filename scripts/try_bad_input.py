"""Type commands with files damaged in every known way; each must work or be refused in one line.

    python scripts/try_bad_input.py                    all, in five minutes or so
    python scripts/try_bad_input.py --only picture     one kind
    python scripts/try_bad_input.py --table            write docs/bad_input.md; runs nothing

Needs no data: everything is made in a temporary folder. Exit code 1 if anything else happens.
"""

import argparse
import sys
from pathlib import Path

from bad_input.case import LINE, STOPS, WORKS, Case
from bad_input.kinds import grouped
from bad_input.running import run_all

TABLE = Path(__file__).parents[1] / "docs/bad_input.md"
ORDER = (WORKS, STOPS, LINE)
HEAD = """\
# What bad input leads to

Files, folders, words and machines that are wrong in a way somebody has met, and what each leads to:
it *works*, it is refused in *one line* that names the file, class or key, or it *stops and says how
to go on*. None may end in a traceback, run code, or give a wrong figure without a word.
`python scripts/try_bad_input.py` tries all of it; `--table` writes this page from the same cases.
"""


def main() -> int:
    """Return 0 where every case came out as it must."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="kinds that begin with this")
    parser.add_argument("--table", action="store_true", help="write docs/bad_input.md, run nothing")
    options = parser.parse_args()
    if options.table:
        TABLE.write_text(as_page(), encoding="utf-8")
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


def as_page() -> str:
    """Return docs/bad_input.md: a heading a group, a table a group, a row a case."""
    parts = [HEAD]
    for group, cases in grouped():
        parts += [f"## {group}\n", as_table(cases) + "\n"]
    return "\n".join(parts)


def as_table(cases: list[Case]) -> str:
    """Return a row a case, kind by kind: what works first, what is refused last."""
    lines = ["| handed in | what is wrong with it | comes to |", "|---|---|---|"]
    for kind in dict.fromkeys(case.kind for case in cases):
        own = sorted((c for c in cases if c.kind == kind), key=lambda c: ORDER.index(c.outcome))
        for number, case in enumerate(own):
            name = "" if number else f"**{kind}**"
            lines.append(f"| {name} | {_cell(case.fault)} | {_cell(case.outcome)} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    sys.exit(main())
