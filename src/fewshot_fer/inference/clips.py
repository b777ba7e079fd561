"""Predict one class for a video from its frames, and draw the probabilities over time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fewshot_fer.evaluation.votes import mean_by_clip
from fewshot_fer.inference.classifier import NONE
from fewshot_fer.inference.crops import NO_FACE, OK, UNREADABLE
from fewshot_fer.inference.inputs import printable
from fewshot_fer.inference.tables import Row
from fewshot_fer.system.figures import new_figure, save_figure
from fewshot_fer.system.files import atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass
class Clip:
    """The predictions for a video's frames, added block by block.

    Where a frame has several faces the largest counts. Frames without a face do not vote.
    """

    file: Path
    class_names: Sequence[str]
    frames: int = 0
    reason: str = ""
    seconds: list[float] = field(default_factory=list)
    probabilities: list[list[float]] = field(default_factory=list)  # nan where there is no face
    rejected: int = 0
    uses: str = ""

    def add(self, rows: Sequence[Row]) -> None:
        """Add rows of predictions.csv."""
        for row in rows:
            if row["frame"] is None:
                self.reason = row["reason"]
            elif not row["face"]:  # the largest, or a frame without any
                self._add_frame(row)

    def row(self) -> Row:
        """Return the clip's row of clips.csv: the mean of its frames' probabilities decides.

        A clip is none of these where more than half of its faces are.
        """
        shares = self._shares()
        shares = shares[~np.isnan(shares).any(axis=1)]
        row: Row = {"file": printable(str(self.file)), "frames": self.frames, "faces": len(shares)}
        row |= {"status": OK, "reason": self.reason, "label": None}
        if not len(shares):
            status = NO_FACE if self.frames else UNREADABLE
            return row | {"status": status, "reason": self.reason or "no face in any frame"}
        mean = mean_by_clip(shares, np.zeros(len(shares), dtype=np.int64))[0]
        rejected = self.rejected / len(shares)
        label = NONE if rejected > 0.5 else self.class_names[int(mean.argmax())]
        row |= {"label": label, "probability": float(mean.max()), "rejected": rejected}
        row["uses"] = self.uses
        return row | {
            f"p_{name}": float(share) for name, share in zip(self.class_names, mean, strict=True)
        }

    def plot(self, row: Row, picture: Path) -> None:
        """Draw each class's probability over the seconds; gaps where there is no face.

        row: what `row` returned. Raises WriteError.
        """
        figure = new_figure(9, 4.2, dpi=120)
        axes = figure.subplots()
        self._plot_lines(axes, row)
        verdict = row["label"] or row["reason"]
        axes.set(xlabel="time, s", ylabel="probability, %", ylim=(0, 102))
        seen = f"a face in {row['faces']} of {self.frames} frames"
        axes.set_title(f"{self.file.name}: {verdict} ({seen})")
        axes.set_xlim(self.seconds[0], max(self.seconds[-1], self.seconds[0] + 0.1))
        axes.grid(alpha=0.3)
        figure.legend(loc="outside right upper", frameon=False, title="mean over the clip")
        with atomic(picture) as partial:
            save_figure(figure, partial)

    def _plot_lines(self, axes: "Axes", row: Row) -> None:
        from matplotlib import colormaps

        names, shares = self.class_names, 100 * self._shares()
        colours = colormaps["tab10" if len(names) <= 10 else "tab20"].colors  # type: ignore[attr-defined]
        mean = [row.get(f"p_{name}") or 0.0 for name in names]
        for number in np.argsort(mean)[::-1]:  # the legend lists the vote, highest first
            chosen = names[number] == row["label"]
            axes.plot(
                self.seconds,
                shares[:, number],
                label=f"{names[number]} ({100 * mean[number]:.0f} %)",
                color=colours[number % len(colours)],
                linewidth=2.6 if chosen else 1.2,
                alpha=1.0 if chosen else 0.7,
                marker="o" if len(self.seconds) < 40 else None,
                markersize=4,
                zorder=3 if chosen else 2,
            )

    def _add_frame(self, row: Row) -> None:
        self.frames += 1
        self.seconds.append(row["seconds"])
        has_face = row["status"] == OK
        self.uses = row.get("uses") or self.uses
        self.rejected += has_face and row["label"] == NONE
        self.probabilities.append(
            [row[f"p_{name}"] if has_face else np.nan for name in self.class_names]
        )

    def _shares(self) -> NDArray[np.float64]:
        """Return the probabilities [frames, classes], also where there is no frame."""
        return np.array(self.probabilities).reshape(-1, len(self.class_names))
