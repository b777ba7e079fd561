"""An audit as plain text: roles, layouts, counts, findings, and the verdict."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from fewshot_fer.audit.findings import finding_lines
from fewshot_fer.audit.official import ClassCount
from fewshot_fer.audit.report import Audit

ROLE_COLUMNS = ("role", "dataset", "split", "images", "groups", "classes", "asked")


def audit_text(audit: Audit) -> str:
    """Return everything that is worth reading at once."""
    blocks = [
        table_text([ROLE_COLUMNS, *([_cell(row[c]) for c in ROLE_COLUMNS] for row in audit.roles)]),
        _layouts(audit.roles),
        *_counts(audit.counts),
        "\n".join(line for finding in audit.findings for line in finding_lines(finding)),
        _verdict(audit),
    ]
    return "\n\n".join(block for block in blocks if block)


def table_text(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells in columns, numbers to the right."""
    columns = list(zip(*rows, strict=True))
    numeric = [all(_is_number(cell) for cell in column[1:]) for column in columns]
    widths = [max(map(len, column)) for column in columns]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in rows
    )


def _is_number(cell: str) -> bool:
    return cell in ("", "-") or cell.isdecimal()


def _cell(value: object) -> str:
    return "-" if value == 0 else str(value)


def _layouts(roles: Sequence[dict[str, Any]]) -> str:
    lines = {
        f"{one['dataset']}: {one['labels']}, images such as {one['example']} under {one['folder']}"
        for row in roles
        for one in row["layouts"]
    }
    return "\n".join(sorted(lines))


def _counts(counts: Sequence[ClassCount]) -> list[str]:
    return [
        _count_table(dataset, list(some)) for dataset, some in groupby(counts, lambda c: c.dataset)
    ]


def _count_table(dataset: str, counts: list[ClassCount]) -> str:
    """Return one data set's counts, a class a line, a pair of columns a split."""
    splits = list(dict.fromkeys(count.split for count in counts))
    by_place = {(count.label, count.split): count for count in counts}
    compared = any(count.official is not None for count in counts)
    heading = [f"{dataset}, {counts[0].unit}"]
    for split in splits:
        heading += [split, *(["official"] if compared else [])]
    rows = [heading]
    for label in dict.fromkeys(count.label for count in counts):
        row = [label]
        for split in splits:
            count = by_place.get((label, split))
            row += [str(count.found) if count else "0", *([_official(count)] if compared else [])]
        rows.append(row)
    return table_text(rows)


def _official(count: ClassCount | None) -> str:
    return "-" if count is None or count.official is None else str(count.official)


def _verdict(audit: Audit) -> str:
    faults = sum(finding.level == "spoils" for finding in audit.findings)
    if not faults:
        return "nothing found that would spoil a result"
    things = "thing" if faults == 1 else "things"
    return f"{faults} {things} found that would spoil a result"
