"""Read anybody's labelled images that a CSV file lists."""

import warnings
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from fewshot_fer.config.schema import DatasetConfig
from fewshot_fer.data.adapters.registry import register_adapter
from fewshot_fer.data.labels import canonical, plain_name
from fewshot_fer.data.listing import NameForms, as_on_disk, require_below
from fewshot_fer.data.picture_parts import file_of
from fewshot_fer.data.splits import SPLITS
from fewshot_fer.data.table import APART, make_table
from fewshot_fer.system.errors import ConfigError, DataError
from fewshot_fer.system.files import Row

NEEDED = ("path", "label")
OPTIONAL = ("group", "split", "clip", "frame")
LIKE_GROUP = (
    *("subject", "subject_id", "subjectid", "identity", "identity_id", "person", "person_id"),
    *("participant", "participant_id", "actor", "actor_id"),
)
LIKE_CLIP = ("video", "video_id", "clip_id", "film")
LIKE_SPLIT = ("usage", "partition", "set", "subset")
"""Columns that count as the known ones do, and the table says so."""
MEANT = {
    "path": ("file", "filename", "filepath", "file_path", "image", "image_path", "img", "pth"),
    "label": ("emotion", "expression", "class", "target", "category"),
    "split": ("fold", *LIKE_SPLIT),
}
"""Columns that are not read, since they may mean several things, by what may be meant."""
DIGITS = 9  # of a frame's number at most
PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".tar")  # which pandas opens
HEADER = "its first line must name the columns path,label[,group,split,clip,frame]"


@register_adapter("csv", "a CSV with the columns path,label", anyones=True)
def read_csv(folder: Path, settings: DatasetConfig) -> pd.DataFrame:
    """Return the FaceTable of `dataset.file`; `folder` counts where `dataset.root` names it."""
    if settings.file is None:
        raise ConfigError("no file for the csv adapter: give dataset.file=/your/list.csv")
    file = as_on_disk(Path(settings.file).expanduser().absolute())
    return read_csv_list(file, None if settings.root is None else folder)


def read_csv_list(file: Path, root: Path | None = None) -> pd.DataFrame:
    """Return the FaceTable of a list; attrs["remarks"] says which columns did not count, or how.

    Paths are relative to `root` or, without it, to the folder of the file, and stay below it; one
    that is not there as it is written is looked for with slashes, and in other Unicode forms. An
    empty group is the image itself, an empty split is `all`. Raises DataError naming file, line
    (the header is line 1) and column, for an image that is not there as well.
    """
    listed, remarks = _read(file)
    apart = [*APART, *(c for c in listed.columns if c in (*LIKE_GROUP, *LIKE_CLIP))]
    base = (root or file.parent).absolute()
    forms = NameForms()
    lines: dict[str, int] = {}
    rows: list[Row] = []
    for line, cells in enumerate(listed.to_dict("records"), start=2):
        if not any(cells.values()):
            continue
        where = f"{file}, line {line}"
        row = _row({str(column): str(cell) for column, cell in cells.items()}, where)
        written = str(base / str(row["path"]))
        file_name = file_of(written)  # of several faces in a photograph: photo.jpg#xywh=...
        path = (forms.find(file_name) or file_name) + written[len(file_name) :]
        require_below(path, base, where)
        if path in lines:
            raise DataError(f"{where}: {path} is listed twice, on line {lines[path]} too")
        lines[path] = line
        rows.append({**row, "path": path, "dataset": "csv"})
    if not rows:
        raise DataError(f"{file} lists no image: expected lines such as 'faces/001.jpg,happiness'")
    _require_files(file, lines, forms.missing)
    remarks += [f"{file}: {remark}" for remark in forms.remarks()]
    return make_table(rows, apart, remarks)


def _read(file: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return the columns that count, every cell a stripped string, and what to say of others."""
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


def _known_columns(listed: pd.DataFrame, file: Path) -> tuple[pd.DataFrame, list[str]]:
    listed.columns = [str(column).strip().casefold() for column in listed.columns]
    missing = [column for column in NEEDED if column not in listed.columns]
    if missing:
        found = ",".join(listed.columns)[:80]
        hints = [_meant(column, listed.columns) for column in missing]
        raise DataError(
            f"{file} has no column {' and '.join(missing)}: {HEADER}; found: {found!r}"
            f"{''.join(hints)}"
        )
    like = _counted(listed)
    known = listed[[each for each in listed.columns if each in (*NEEDED, *OPTIONAL, *like)]]
    if known.columns.has_duplicates:
        raise DataError(f"{file} names a column twice: {','.join(listed.columns)[:80]}")
    remarks = [f"{file}: the column {column} is read as {like[column]}" for column in like]
    if left := [str(column) for column in listed.columns if column not in known.columns]:
        hint = "" if "split" in (*known.columns, *like.values()) else _meant("split", left)
        remarks.append(f"{file}: not read: {', '.join(left)}{hint}")
    # The first column of a kind becomes the known one; others keep images apart as they are.
    called = {of_kind: c for c, of_kind in [*like.items()][::-1] if of_kind not in listed.columns}
    stripped = pd.DataFrame({column: known[column].str.strip() for column in known.columns})
    return stripped.rename(columns={c: of_kind for of_kind, c in called.items()}), remarks


def _counted(listed: pd.DataFrame) -> dict[str, str]:
    """Return column -> the known one that it counts as: `split` where it holds names of splits."""
    like = {c: "group" for c in LIKE_GROUP if c in listed.columns}
    like |= {c: "clip" for c in LIKE_CLIP if c in listed.columns}
    of_split = [c for c in LIKE_SPLIT if c in listed.columns and _names_splits(listed[c])]
    if "split" not in listed.columns and len(of_split) == 1:
        like[of_split[0]] = "split"
    return like


def _names_splits(column: pd.Series) -> bool:
    return set(column.str.strip().str.casefold()) <= {*SPLITS, ""}


def _meant(column: str, found: Iterable[str]) -> str:
    """Return which of the columns found may be meant as a known one, for the end of a message."""
    like = " or ".join(each for each in found if each in MEANT[column])
    return f"; if {like} is meant as {column}, call it so" if like else ""


def _row(cells: dict[str, str], line: str) -> Row:
    for column, cell in cells.items():
        if column in NEEDED and not cell:
            raise DataError(f"{line}: the column {column} is empty")
        if column == "frame" and cell and not (cell.isdecimal() and len(cell) <= DIGITS):
            raise DataError(f"{line}: frame {cell[:40]!r} is not a number such as 12")
    split = cells.get("split") or "all"
    own = {column: cell for column, cell in cells.items() if cell}
    return {
        **own,
        "label": canonical(cells["label"]),
        "spelling": cells["label"],
        "frame": int(cells["frame"]) if cells.get("frame") else None,
        "split": SPLITS.get(split.casefold(), plain_name(split)),
    }


def _require_files(file: Path, lines: dict[str, int], missing: list[str]) -> None:
    if missing:
        first = missing[0]
        raise DataError(
            f"{file}, line {lines[first]}: the column path names {first}, which is not there; "
            f"{len(missing)} of the {len(lines)} listed images are missing"
        )
