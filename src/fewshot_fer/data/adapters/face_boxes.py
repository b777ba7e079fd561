"""Name faces by their boxes in photographs, as lists give them, and leave out what is repeated."""

from fewshot_fer.data.picture_parts import boxed
from fewshot_fer.system.files import Row

Box = tuple[int, int, int, int]  # left, top, right, bottom, in pixels


def face_in(path: str, box: Box) -> str | None:
    """Return the name of a face in a photograph; None for a box without a pixel inside.

    What leads over the left or upper edge ends there.
    """
    left, top, right, bottom = box
    left, top = max(left, 0), max(top, 0)
    return boxed(path, (left, top, right, bottom)) if left < right and top < bottom else None


def without_repeats(rows: list[Row], dataset: str) -> tuple[list[Row], list[str]]:
    """Return the rows of each path once, and what to say of the others.

    A path with several labels has none that could be trusted: it is left out.
    """
    first: dict[str, Row] = {}
    unclear: set[str] = set()
    for row in rows:
        before = first.setdefault(row["path"], row)
        if before["label"] != row["label"]:
            unclear.add(row["path"])
    kept = [row for path, row in first.items() if path not in unclear]
    repeated = len(rows) - len(first)
    said = []
    if repeated:
        said.append(f"{dataset}: {repeated} row(s) repeat a face and count once")
    if unclear:
        one = min(unclear)
        said.append(f"{dataset}: {len(unclear)} face(s) with two labels left out, {one} first")
    return kept, said
