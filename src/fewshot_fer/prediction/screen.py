"""What a prediction says on screen."""

from collections import Counter
from collections.abc import Sequence

from fewshot_fer.prediction.crops import OK
from fewshot_fer.prediction.rows import Row

SHOWN = 40  # rows; the rest stands in the file
WIDEST = 60  # letters of a file's name
HEADINGS = ("file", "face", "label", "probability", "distance", "status")
CLIP_HEADINGS = ("video", "frames", "faces", "label", "probability", "status")


class Summary:
    """Keeps what the screen shows of any number of rows: the first ones, and counts."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.clips: list[Row] = []
        self._frames = 0  # rows of videos
        self._labels: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()

    def add(self, rows: Sequence[Row], of_video: bool = False) -> None:
        """Take in rows of predictions.csv; of a video, only the whole is shown."""
        if of_video:
            self._frames += len(rows)
        else:
            self.rows += rows[: SHOWN - len(self.rows)]
        self._statuses.update(row["status"] for row in rows)
        self._labels.update(row["label"] for row in rows if row["status"] == OK)

    def text(self) -> str:
        """Return the table, and a line that counts what was answered."""
        parts = []
        if self.rows:
            parts.append(_table(HEADINGS, [_cells(row) for row in self.rows]))
            more = self._statuses.total() - self._frames - len(self.rows)
            if more > 0:
                parts[-1] += f"\n... and {more:,} more in predictions.csv"
        if self.clips:
            parts.append(_table(CLIP_HEADINGS, [_clip_cells(row) for row in self.clips[:SHOWN]]))
        return "\n\n".join([*parts, self._counts()])

    def _counts(self) -> str:
        of_label = ", ".join(f"{name} {count:,}" for name, count in self._labels.most_common())
        counts = [f"{self._statuses[OK]:,} answered" + (f" ({of_label})" if of_label else "")]
        others = (pair for pair in self._statuses.items() if pair[0] != OK)
        return ", ".join(counts + [f"{count:,} {status}" for status, count in others])


def rejection_line(reject: Row | None) -> list[str]:
    """Return a line on what "none of these" means here, nothing where every face is answered."""
    if reject is None:
        return []
    return [
        f"none of these: {reject['distance']:.2f} and more from every prototype; in validation "
        f"{100 * reject['false_accept']:.1f} % of unknown expressions came nearer, and "
        f"{100 * reject['false_reject']:.1f} % of known ones did not"
    ]


def _cells(row: Row) -> tuple[str, ...]:
    face = "" if row.get("face") is None else str(row["face"])
    return (_shortened(row["file"]), face, *_answer(row), _status(row))


def _answer(row: Row) -> tuple[str, str, str]:
    if row.get("label") is None:
        return "", "", ""
    return row["label"], f"{100 * row['probability']:.1f} %", f"{row['distance']:.2f}"


def _clip_cells(row: Row) -> tuple[str, ...]:
    label, probability = row.get("label") or "", ""
    if label:
        probability = f"{100 * row['probability']:.1f} %"
    counts = (str(row["frames"]), str(row["faces"]))
    return (_shortened(row["file"]), *counts, label, probability, _status(row))


def _status(row: Row) -> str:
    status: str = row["status"]
    reason = (row.get("reason") or "").removeprefix(f"{row['file']} ")  # it stands in the line
    return status if status == OK and not reason else f"{status}: {reason}"


def _shortened(name: str) -> str:
    return name if len(name) <= WIDEST else "…" + name[1 - WIDEST :]


def _table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return rows under their headings: names to the left, figures to the right."""
    lines = [headings, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    left = {0, headings.index("label"), headings.index("status")}
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
