"""Say on screen what was predicted: the first rows as tables, and counts of all."""

from collections import Counter
from collections.abc import Sequence

from fewshot_fer.inference.crops import OK
from fewshot_fer.inference.tables import Row
from fewshot_fer.system.text import percent, text_table

SHOWN = 40  # rows; the rest stands in the file
WIDEST = 60  # letters of a file's name
HEADINGS = ("file", "face", "label", "probability", "distance", "status")
CLIP_HEADINGS = ("video", "frames", "faces", "label", "probability", "status")


class Summary:
    """The first of any number of rows, and how many there were of each label and status."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.clips: list[Row] = []
        self._frames = 0  # rows of videos
        self._labels: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()

    def add(self, rows: Sequence[Row], of_video: bool = False) -> None:
        """Count rows of predictions.csv; of a video, only the whole is shown."""
        if of_video:
            self._frames += len(rows)
        else:
            self.rows += rows[: SHOWN - len(self.rows)]
        self._statuses.update(row["status"] for row in rows)
        self._labels.update(row["label"] for row in rows if row["status"] == OK)

    def text(self) -> str:
        """Return the tables of pictures and of videos, and a line of counts."""
        paragraphs = []
        if self.rows:
            paragraphs.append(text_table([HEADINGS, *map(_cells, self.rows)], left=(0, 2, 5)))
            more = self._statuses.total() - self._frames - len(self.rows)
            if more > 0:
                paragraphs[-1] += f"\n... and {more:,} more in predictions.csv"
        if self.clips:
            rows = [CLIP_HEADINGS, *map(_clip_cells, self.clips[:SHOWN])]
            paragraphs.append(text_table(rows, left=(0, 3, 5)))
        return "\n\n".join([*paragraphs, self._counts()])

    def _counts(self) -> str:
        of_label = ", ".join(f"{name} {count:,}" for name, count in self._labels.most_common())
        counts = [f"{self._statuses[OK]:,} answered" + (f" ({of_label})" if of_label else "")]
        others = (pair for pair in self._statuses.items() if pair[0] != OK)
        return ", ".join(counts + [f"{count:,} {status}" for status, count in others])


def rejection_line(reject: Row | None) -> list[str]:
    """Return a line on what "none of these" means here, nothing where no face can be that."""
    if reject is None:
        return []
    return [
        f"none of these: {reject['distance']:.2f} and more from every prototype; in validation "
        f"{percent(reject['false_accept'])} of unknown expressions came nearer, and "
        f"{percent(reject['false_reject'])} of known ones did not"
    ]


def _cells(row: Row) -> tuple[str, ...]:
    face = "" if row.get("face") is None else str(row["face"])
    distance = f"{row['distance']:.2f}" if row.get("label") else ""
    return (_shortened(row["file"]), face, *_prediction(row), distance, _status(row))


def _clip_cells(row: Row) -> tuple[str, ...]:
    counts = (str(row["frames"]), str(row["faces"]))
    return (_shortened(row["file"]), *counts, *_prediction(row), _status(row))


def _prediction(row: Row) -> tuple[str, str]:
    return (row["label"], percent(row["probability"])) if row.get("label") else ("", "")


def _status(row: Row) -> str:
    status: str = row["status"]
    reason = (row.get("reason") or "").removeprefix(f"{row['file']} ")  # it stands in the line
    return status if status == OK and not reason else f"{status}: {reason}"


def _shortened(name: str) -> str:
    return name if len(name) <= WIDEST else "…" + name[1 - WIDEST :]
