"""A CSV file of images: path,label and, if there are any, group, split, clip and frame."""

from pathlib import Path

import pandas as pd

from fewshot_fer.data.table import make_table
from fewshot_fer.errors import DataError
from fewshot_fer.labels import canonical

OPTIONAL = ("group", "split", "clip")


def read_csv_list(file: Path, root: Path | None = None, name: str = "csv") -> pd.DataFrame:
    """Return the FaceTable of a list. Other columns than the known ones do not count.

    Paths are relative to `root` or, without it, to the folder of the file. An empty group is the
    image itself, an empty split is `all`. Raises DataError naming file, row (the first line is 1,
    the header) and column.
    """
    listed = _read(file)
    base = (root or file.parent).absolute()
    rows = [_row(listed.iloc[number], number + 2, file, base) for number in range(len(listed))]
    if not rows:
        raise DataError(f"{file} lists no image")
    return make_table([{**row, "dataset": name} for row in rows])


def _read(file: Path) -> pd.DataFrame:
    if not file.is_file():
        raise DataError(f"{file} is not a file: expected a CSV with the columns path,label")
    try:
        # dtype and keep_default_na: a class called None, NA or 007 is a class all the same.
        listed = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (
        ValueError,
        OSError,
    ) as error:  # pandas' parser errors and bad encodings are ValueErrors
        raise DataError(f"{file} cannot be read as CSV: {' '.join(str(error).split())}") from error
    listed.columns = [str(column).strip().casefold() for column in listed.columns]
    missing = [column for column in ("path", "label") if column not in listed.columns]
    if missing:
        raise DataError(
            f"{file} has no column {' and '.join(missing)}: its first line must name the columns "
            f"path,label[,group,split]; found: {','.join(listed.columns)[:80]}"
        )
    return listed


def _row(cells: "pd.Series[str]", line: int, file: Path, base: Path) -> dict[str, object]:
    path, label = str(cells["path"]).strip(), canonical(str(cells["label"]))
    for column, value in (("path", path), ("label", label)):
        if not value or "\0" in value:
            raise DataError(
                f"{file}, line {line}: the column {column} is empty or holds a NUL byte"
            )
    row: dict[str, object] = {"path": str(base / path), "label": label, "split": "all"}
    row |= {column: str(cells[column]) for column in OPTIONAL if cells.get(column)}
    frame = cells.get("frame")
    if frame:
        if not str(frame).strip().isdecimal():
            raise DataError(f"{file}, line {line}: frame {frame!r} is not a number")
        row["frame"] = int(frame)
    return row
