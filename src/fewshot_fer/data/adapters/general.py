"""Read anybody's labelled images: a folder of class folders, or a CSV file that lists them."""

import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from fewshot_fer.config.schema import DatasetConfig
from fewshot_fer.data.adapters.registry import register_adapter
from fewshot_fer.data.labels import canonical
from fewshot_fer.data.listing import contents, folders_in, images_in, require_below
from fewshot_fer.data.table import SPLITS, make_table
from fewshot_fer.system.errors import ConfigError, DataError
from fewshot_fer.system.files import Row

NEEDED = ("path", "label")
OPTIONAL = ("group", "split", "clip", "frame")
DIGITS = 9  # of a frame's number at most
PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".tar")  # which pandas opens
HEADER = "its first line must name the columns path,label[,group,split,clip,frame]"
LAYOUT = "<class>/*.jpg or <class>/<subject or clip>/*.jpg below it"
EXPECTED = f"expected {LAYOUT}. Set dataset.root=/your/faces"
log = logging.getLogger("fewshot_fer")


@register_adapter("csv", "a CSV with the columns path,label")
def read_csv(folder: Path, settings: DatasetConfig) -> pd.DataFrame:
    """Return the FaceTable of `dataset.file`; `folder` counts where `dataset.root` names it."""
    if settings.file is None:
        raise ConfigError("no file for the csv adapter: give dataset.file=/your/list.csv")
    file = Path(settings.file).expanduser().absolute()
    return read_csv_list(file, None if settings.root is None else folder)


def read_csv_list(file: Path, root: Path | None = None) -> pd.DataFrame:
    """Return the FaceTable of a list. Other columns than the known ones do not count, but
    for NUL bytes, which no text has.

    Paths are relative to `root` or, without it, to the folder of the file, and stay below it. An
    empty group is the image itself, an empty split is `all`. Raises DataError naming file, line
    (the header is line 1) and column, for an image that is not there as well.
    """
    listed = _read(file)
    base = (root or file.parent).absolute()
    lines: dict[str, int] = {}
    rows: list[Row] = []
    for line, cells in enumerate(listed.to_dict("records"), start=2):
        if not any(cells.values()):
            continue
        where = f"{file}, line {line}"
        row = _row({str(column): str(cell) for column, cell in cells.items()}, where)
        path = str(base / str(row["path"]))
        require_below(path, base, where)
        if path in lines:
            raise DataError(f"{where}: {path} is listed twice, on line {lines[path]} too")
        lines[path] = line
        rows.append({**row, "path": path, "dataset": "csv"})
    if not rows:
        raise DataError(f"{file} lists no image: expected lines such as 'faces/001.jpg,happiness'")
    _require_files(file, lines)
    return make_table(rows)


def _read(file: Path) -> pd.DataFrame:
    """Return the known columns, every cell a stripped string."""
    if not file.is_file():
        raise DataError(f"{file} is not a file: expected a CSV with the columns path,label")
    try:
        with warnings.catch_warnings():
            # Cells beyond the header are only a warning; they come from a comma within a name.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return _known_columns(_parse(file), file)
    except UnicodeDecodeError as error:
        raise DataError(f"{file} cannot be read as CSV in UTF-8: {error}") from error
    except pd.errors.ParserWarning as error:
        raise DataError(
            f"{file} has lines with more cells than its header has columns: put a name with a "
            f"comma in double quotes"
        ) from error
    except (ValueError, OSError) as error:  # pandas' own errors are ValueErrors
        reason = " ".join(str(error).split())
        raise DataError(f"{file} cannot be read as CSV: {reason}; {HEADER}") from error


def _parse(file: Path) -> pd.DataFrame:
    # dtype and keep_default_na: a class called None, NA or 007 is a class all the same.
    # index_col and skip_blank_lines: columns and line numbers stay those of the file.
    listed = pd.read_csv(
        file,
        dtype=str,
        keep_default_na=False,
        encoding="utf-8-sig",
        index_col=False,
        skip_blank_lines=False,
    )
    if file.suffix.lower() not in PACKED:
        _refuse_nul(file)
    return listed.fillna("")


def _refuse_nul(file: Path) -> None:
    """Raise DataError at a NUL byte: pandas before 3.1 takes it for the end of its cell."""
    before, found, _ = file.read_bytes().partition(b"\0")
    if found:
        line = before.count(b"\n") + 1
        raise DataError(f"{file}, line {line} holds a NUL byte after {before[-40:]!r}")


def _known_columns(listed: pd.DataFrame, file: Path) -> pd.DataFrame:
    listed.columns = [str(column).strip().casefold() for column in listed.columns]
    missing = [column for column in NEEDED if column not in listed.columns]
    if missing:
        found = ",".join(listed.columns)[:80]
        raise DataError(f"{file} has no column {' and '.join(missing)}: {HEADER}; found: {found!r}")
    known = listed[[column for column in listed.columns if column in NEEDED + OPTIONAL]]
    if known.columns.has_duplicates:
        raise DataError(f"{file} names a column twice: {','.join(listed.columns)[:80]}")
    return pd.DataFrame({column: known[column].str.strip() for column in known.columns})


def _row(cells: dict[str, str], line: str) -> Row:
    for column, cell in cells.items():
        if column in NEEDED and not cell:
            raise DataError(f"{line}: the column {column} is empty")
        if column == "frame" and cell and not (cell.isdecimal() and len(cell) <= DIGITS):
            raise DataError(f"{line}: frame {cell[:40]!r} is not a number such as 12")
    split = cells.get("split") or "all"
    row: Row = {column: cells[column] for column in ("group", "clip") if cells.get(column)}
    row |= {"frame": int(cells["frame"])} if cells.get("frame") else {}
    return {
        **row,
        "path": cells["path"],
        "label": canonical(cells["label"]),
        "split": SPLITS.get(split.casefold(), split),
    }


def _require_files(file: Path, lines: dict[str, int]) -> None:
    # os.path answers no where Path raises, as for a name that is too long.
    missing = [path for path in lines if not os.path.isfile(path)]  # noqa: PTH113
    if missing:
        first = missing[0]
        raise DataError(
            f"{file}, line {lines[first]}: the column path names {first}, which is not there; "
            f"{len(missing)} of the {len(lines)} listed images are missing"
        )


@register_adapter("folder", LAYOUT)
def read_folder(root: Path) -> pd.DataFrame:
    """Return the FaceTable of a folder; its split is `all` unless there are split folders.

    A group folder names a subject or a clip. The same name under two classes or splits is the same
    group, as a person is who shows several expressions. An image right below its class is its own
    group. Raises DataError where there is no class folder or no image.
    """
    root = root.absolute()
    if not root.is_dir():
        raise DataError(f"{root} is not a folder: {EXPECTED}")
    rows = [row for split, folder in _splits(root) for row in _rows(folder, split)]
    if not rows:
        raise DataError(f"no images in {root} ({contents(root)}): {EXPECTED}")
    return make_table([{**row, "dataset": "folder"} for row in rows])


def _splits(root: Path) -> list[tuple[str, Path]]:
    below = folders_in(root)
    if len(below) > 1 and all(path.name.casefold() in SPLITS for path in below):
        return [(SPLITS[path.name.casefold()], path) for path in below]
    return [("all", root)]


def _rows(folder: Path, split: str) -> Iterator[Row]:
    for of_class in folders_in(folder):
        common: Row = {"label": canonical(of_class.name), "split": split}
        groups = folders_in(of_class)
        for place in (of_class, *groups):
            own = common if place is of_class else {**common, "group": place.name}
            images = images_in(place)
            yield from ({**own, "path": str(path)} for path in images)
            if not images and (place is not of_class or not groups):
                log.warning("no images in %s (%s)", place, contents(place))
