"""The cases as the manual shows them: docs/bad_input.md, and the sums in docs/reliability.md."""

from collections.abc import Iterable
from pathlib import Path

from bad_input.case import LINE, STOPS, WORKS, Case
from bad_input.kinds import grouped

DOCS = Path(__file__).parents[2] / "docs"
ORDER = (WORKS, STOPS, LINE)
EXAMPLES = 3  # faults that are named beside a kind
BEGIN, END = "<!-- made by try_bad_input.py --table -->\n", "<!-- to here -->\n"
SUMS = "| handed in | what was tried | cases | comes to |\n|---|---|---:|---|\n"
KINDS = "| handed in | such as | cases | comes to |\n|---|---|---:|---|\n"
TRIED = {
    "Pictures and videos": "empty, cut off, huge, of odd formats, hostile, not there",
    "Lists and folders": "label lists, CSV files and the folders of each data set: rows that are "
    "missing, doubled or wrong, odd letters, links, cases and spellings",
    "Configuration and command line": "paths with any letters, settings that are unknown, of the "
    "wrong type, or contradict each other",
    "Weights, checkpoints and runs": "torn, of another network, changed by a byte, with code in "
    "them",
    "The machine: disk, processes, terminals, network": "a full disk, a folder that vanishes, "
    "signals, a second process, a closed terminal, no network",
    "The page": "files that are no pictures or too large, strangers' addresses, a taken port",
}
HEAD = """\
# What bad input leads to

Files, folders, words and machines that are wrong in a way somebody has met. Each of them

- *works*,
- is refused in *one line* that names the file, class or key, or
- *stops* and says how to go on.

None ends in a traceback, runs code, or gives a wrong figure without a word. Each kind stands below
with three examples, and all that was tried can be unfolded. `python scripts/try_bad_input.py` tries
it anew, and writes this page with `--table`.
"""


def pages() -> dict[Path, str]:
    """Return the content that both files must have; docs/reliability.md keeps its own text."""
    reliability = DOCS / "reliability.md"
    before, rest = reliability.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    return {
        DOCS / "bad_input.md": bad_input_page(),
        reliability: f"{before}{BEGIN}\n{sums_table()}\n{END}{after}",
    }


def bad_input_page() -> str:
    """Return docs/bad_input.md: of each group a table of its kinds, and every case, folded."""
    parts = [HEAD]
    for group, cases in grouped():
        kinds = KINDS + "".join(_kind_row(kind, own) for kind, own in _by_kind(cases))
        # Read by GitHub and, with md_in_html, by MkDocs.
        folded = f"<details markdown>\n<summary>All {len(cases)}, one by one</summary>"
        parts += [f"## {group}\n", kinds, folded + "\n", cases_table(cases), "</details>\n"]
    return "\n".join(parts)


def sums_table() -> str:
    """Return a row a group: what was tried, how many cases, and what they came to."""
    rows = [(group, TRIED[group], cases) for group, cases in grouped()]
    rows.append(("**all**", "", [case for *_, cases in rows for case in cases]))
    lines = [f"| {group} | {tried} | {_counts(cases)} |\n" for group, tried, cases in rows]
    return SUMS + "".join(lines)


def cases_table(cases: list[Case]) -> str:
    """Return a row a case, kind by kind: what works first, what is refused last."""
    lines = ["| handed in | what is wrong with it | comes to |\n", "|---|---|---|\n"]
    for kind, own in _by_kind(cases):
        own.sort(key=lambda case: ORDER.index(case.outcome))
        for number, case in enumerate(own):
            name = "" if number else f"**{kind}**"
            lines.append(f"| {name} | {_cell(case.fault)} | {_cell(case.outcome)} |\n")
    return "".join(lines)


def _by_kind(cases: list[Case]) -> Iterable[tuple[str, list[Case]]]:
    kinds = dict.fromkeys(case.kind for case in cases)
    return [(kind, [case for case in cases if case.kind == kind]) for kind in kinds]


def _kind_row(kind: str, cases: list[Case]) -> str:
    """Return the row of a kind, with the first case, one in the middle and the last."""
    step = max(1, (len(cases) - 1) // (EXAMPLES - 1))
    examples = "; ".join(_cell(case.fault) for case in cases[::step][:EXAMPLES])
    return f"| {_cell(kind)} | {examples} | {_counts(cases)} |\n"


def _counts(cases: list[Case]) -> str:
    """Return two cells: how many there are, and how many of them come to what."""
    outcomes = [case.outcome for case in cases]
    words = {WORKS: "works", LINE: "one line", STOPS: "stops"}
    found = [f"{words[each]}: {outcomes.count(each)}" for each in words if each in outcomes]
    return f"{len(cases)} | {', '.join(found)}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
