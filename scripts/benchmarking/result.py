"""One figure of the benchmark, with what it must reach."""

from dataclasses import dataclass

from benchmarking.alternating import Spread


@dataclass(frozen=True)
class Target:
    """What two cores must reach, in the figure's own unit."""

    value: float
    at_least: bool

    def met(self, median: float) -> bool:
        """Tell whether the median of a figure reaches it."""
        return median >= self.value if self.at_least else median <= self.value


@dataclass(frozen=True)
class Figure:
    """A row of benchmark.csv.

    unit: of the median, `x` for a ratio; ours, theirs: medians that a ratio was made of, in `rate`;
    size: episodes or images, where one is varied.
    """

    section: str
    what: str
    against: str
    unit: str
    spread: Spread
    backbone: str = ""
    device: str = "cpu"
    ours: float | None = None
    theirs: float | None = None
    rate: str = ""
    target: Target | None = None
    size: int | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        return None if self.target is None else self.target.met(self.spread.median)


def value_text(value: float | None, unit: str) -> str:
    """Return a value with its unit, to three digits or so; nothing for None."""
    if value is None:
        return ""
    if unit == "difference":
        return f"{value:.1e}"
    if unit == "s" and value < 1:
        value, unit = 1e3 * value, "ms"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}{'' if unit == 'x' else ' '}{unit}"


def target_text(figure: Figure) -> str:
    """Return `at least 1.60x`, or nothing where there is no target."""
    if figure.target is None:
        return ""
    word = "at least" if figure.target.at_least else "at most"
    return f"{word} {value_text(figure.target.value, figure.unit)}"


def met_text(figure: Figure) -> str:
    """Return yes, NO, or nothing where there is no target."""
    return {None: "", True: "yes", False: "NO"}[figure.met]
