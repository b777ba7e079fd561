"""Draw who transfers to whom: a matrix of accuracies, sources by targets."""

from pathlib import Path
from typing import TYPE_CHECKING

from fewshot_fer.reports.transfer import TransferCell, TransferMatrix
from fewshot_fer.system.figures import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURE = "transfer.png"
FRAME, EMPTY = "#c2410c", "#d5d8dd"  # colours of a same-set cell, and of one without a figure


def draw_transfer(matrix: TransferMatrix, picture: Path) -> None:
    """Write the picture of a matrix: accuracies with intervals and the number of shared classes.

    Colour is the way from chance to 100 %; same-set cells have a frame.
    """
    from matplotlib.patches import Patch

    n_sources, n_targets = len(matrix.sources), len(matrix.targets)
    figure = new_figure(max(5.6, 3.0 + 1.25 * n_targets), 2.2 + 0.72 * n_sources, dpi=120)
    axes = figure.subplots()
    shades = [[100 * cell.above_chance for cell in cells] for cells in matrix.cells]
    image = axes.imshow(shades, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for row, cells in enumerate(matrix.cells):
        for column, cell in enumerate(cells):
            _draw_cell(axes, column, row, cell, not matrix.targets[column][2])
    axes.xaxis.tick_top()
    heads = ["\n".join(filter(None, _heading(target))) for target in matrix.targets]
    axes.set_xticks(range(n_targets), heads, fontsize=8)
    sides = ["\n".join(filter(None, source)) for source in matrix.sources]
    axes.set_yticks(range(n_sources), sides, fontsize=8)
    axes.tick_params(length=0)
    method = f" of {matrix.method}" if matrix.method else ""
    title = f"Accuracy in %{method}:\nlearnt from (rows), tested on (columns)"
    axes.set_title(title, fontsize=10)
    bar = figure.colorbar(
        image, ax=axes, label="chance (0) to 100 % (100)", fraction=0.05, pad=0.02
    )
    bar.ax.tick_params(labelsize=8)
    every = [cell for cells in matrix.cells for cell in cells]
    marks = [Patch(fill=False, edgecolor=FRAME, linewidth=2.5, label="same data set on both sides")]
    texts = ["shared: classes that both sides have, ? where the source's are not known"]
    if any(cell.is_warned_of for cell in every):
        texts.append("*: `warnings` in transfer.csv says what the check found")
    marks += [Patch(fill=False, linewidth=0, label=text) for text in texts]
    if any(cell.accuracy is None for cell in every):
        marks.append(Patch(facecolor=EMPTY, label="no figure: `error` in transfer.csv says why"))
    figure.legend(handles=marks, loc="outside lower left", frameon=False, fontsize=8, ncols=1)
    save_figure(figure, picture)


def _heading(target: tuple[str, str, str]) -> tuple[str, str, str]:
    name, shape, chance = target
    return name, shape, f"chance {chance} %" if chance else ""


def _draw_cell(axes: "Axes", column: int, row: int, cell: TransferCell, with_chance: bool) -> None:
    from matplotlib.patches import Rectangle

    corner = column - 0.5, row - 0.5
    if cell.accuracy is None:
        axes.add_patch(Rectangle(corner, 1, 1, facecolor=EMPTY, edgecolor="none"))
    if cell.same_set:
        inner = column - 0.47, row - 0.46
        axes.add_patch(Rectangle(inner, 0.94, 0.92, fill=False, edgecolor=FRAME, linewidth=2.5))
    colour = "white" if cell.above_chance > 0.6 else "black"
    accuracy, *below = _cell_lines(cell, with_chance)
    for place, line in zip((-0.2, 0.08, 0.28), (accuracy, *below), strict=False):
        size = 11 if line == accuracy else 7.5
        axes.text(column, row + place, line, ha="center", va="center", color=colour, fontsize=size)


def _cell_lines(cell: TransferCell, with_chance: bool) -> list[str]:
    shared = f"{cell.row['n_shared']} shared" if cell.row["n_shared"] else "shared: ?"
    if cell.accuracy is None:
        return ["-"]
    low, high = cell.interval
    star = "*" if cell.is_warned_of else ""
    spread = "" if cell.deviation is None else f" ± {100 * cell.deviation:.1f}"
    between = "" if low is None or high is None else f"{100 * low:.1f}..{100 * high:.1f}"
    if with_chance and cell.chance is not None:
        shared += f", chance {100 * cell.chance:.0f}"
    return [f"{100 * cell.accuracy:.1f}{spread}{star}", between, shared]
