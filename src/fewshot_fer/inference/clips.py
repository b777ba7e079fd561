"""One answer for a video from those of its frames, and a picture of how they went."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fewshot_fer.evaluation.fixed import vote_by_probability
from fewshot_fer.inference.classifier import NONE
from fewshot_fer.inference.crops import NO_FACE, OK, UNREADABLE
from fewshot_fer.inference.inputs import printable
from fewshot_fer.system.figures import families, new_figure, save_figure

Row = dict[str, Any]


@dataclass
class Clip:
    """What the frames of a video were answered, taken in block by block.

    Where a frame has several faces the largest counts. Frames without a face do not vote.
    """

    file: Path
    class_names: Sequence[str]
    frames: int = 0
    reason: str = ""
    seconds: list[float] = field(default_factory=list)
    probabilities: list[list[float]] = field(default_factory=list)  # nan where there is no face
    rejected: int = 0

    def add(self, rows: Sequence[Row]) -> None:
        """Take in rows of predictions.csv."""
        for row in rows:
            if row["frame"] is None:
                self.reason = row["reason"]
            elif not row["face"]:  # the largest, or a frame without any
                self._add_frame(row)

    def _add_frame(self, row: Row) -> None:
        self.frames += 1
        self.seconds.append(row["seconds"])
        answered = row["status"] == OK
        self.rejected += answered and row["label"] == NONE
        self.probabilities.append(
            [row[f"p_{name}"] if answered else np.nan for name in self.class_names]
        )

    def row(self) -> Row:
        """Return the clip's row of clips.csv: the mean of its frames' probabilities decides.

        A clip is none of these where more than half of its faces are.
        """
        given = np.array(self.probabilities).reshape(-1, len(self.class_names))
        given = given[~np.isnan(given).any(axis=1)]
        row: Row = {"file": printable(str(self.file)), "frames": self.frames, "faces": len(given)}
        row |= {"status": OK, "reason": self.reason, "label": None}
        if not len(given):
            status = NO_FACE if self.frames else UNREADABLE
            return row | {"status": status, "reason": self.reason or "no face in any frame"}
        mean = vote_by_probability(given, np.zeros(len(given), dtype=np.int64))[0]
        rejected = self.rejected / len(given)
        label = NONE if rejected > 0.5 else self.class_names[int(mean.argmax())]
        row |= {"label": label, "probability": float(mean.max()), "rejected": rejected}
        return row | {
            f"p_{name}": float(share) for name, share in zip(self.class_names, mean, strict=True)
        }


def plot_clip(clip: Clip, row: Row, picture: Path) -> None:
    """Draw each class's probability over the seconds of a clip; gaps where there is no face."""
    from matplotlib import colormaps, rc_context

    names = tuple(clip.class_names)
    with rc_context({"font.family": families((*names, clip.file.name))}), _no_remarks():
        figure = new_figure(9, 4.2, dpi=120)
        axes = figure.subplots()
        shares = 100 * np.array(clip.probabilities).reshape(-1, len(names))
        colours = colormaps["tab10" if len(names) <= 10 else "tab20"].colors  # type: ignore[attr-defined]
        mean = [row.get(f"p_{name}") or 0.0 for name in names]
        for number in np.argsort(mean)[::-1]:  # the legend tells the vote, highest first
            chosen = names[number] == row["label"]
            axes.plot(
                clip.seconds,
                shares[:, number],
                label=f"{names[number]} ({100 * mean[number]:.0f} %)",
                color=colours[number % len(colours)],
                linewidth=2.6 if chosen else 1.2,
                alpha=1.0 if chosen else 0.7,
                marker="o" if len(clip.seconds) < 40 else None,
                markersize=4,
                zorder=3 if chosen else 2,
            )
        verdict = row["label"] or row["reason"]
        axes.set(xlabel="time, s", ylabel="probability, %", ylim=(0, 102))
        seen = f"a face in {row['faces']} of {clip.frames} frames"
        axes.set_title(f"{clip.file.name}: {verdict} ({seen})")
        axes.set_xlim(clip.seconds[0], max(clip.seconds[-1], clip.seconds[0] + 0.1))
        axes.grid(alpha=0.3)
        figure.legend(loc="outside right upper", frameon=False, title="mean over the clip")
        partial = picture.with_name(f".{picture.name}")
        save_figure(figure, partial)
        partial.replace(picture)


def _no_remarks() -> warnings.catch_warnings:
    """Keep matplotlib from a warning for each letter that no font has: boxes stand there."""
    return warnings.catch_warnings(action="ignore", category=UserWarning)
