"""Group results that can be compared: the same protocol on the same images, best first."""

from collections.abc import Iterable
from dataclasses import dataclass

from fewshot_fer.episodes.protocol import protocol_title
from fewshot_fer.reports.html.collect import Run
from fewshot_fer.reports.html.row_warnings import RowWarnings, row_warnings, settings_below
from fewshot_fer.runs.read import Row

ORDER = {"test": 0, "validation": 1, "train": 2}
DATA = ("split", "root", "file", "classes", "sets")
FIXED = ("support_split", "support_draws")
ResultKey = tuple[int, str, str, str, str]
"""Number of the run, role, protocol, method and level."""


@dataclass(frozen=True)
class Result:
    """A row of results.csv, the run it is of, and the settings of its evaluation (flat)."""

    run: Run
    row: Row
    evaluation: Row
    warnings: RowWarnings

    @property
    def key(self) -> ResultKey:
        """What its rows of predictions.csv and answers.csv are found by."""
        row = self.row
        return self.run.number, row["role"], row["protocol"], row["method"], row["level"]

    @property
    def is_valid(self) -> bool:
        """Whether the check found nothing that invalidates it."""
        return not self.warnings.invalidating

    @property
    def is_plain(self) -> bool:
        """Whether it rests on nothing but the support: plain few-shot, and valid."""
        return self.is_valid and not self.row["uses"]

    @property
    def start(self) -> str:
        """What its encoder knew before training, "" for nothing, or where a run does not say."""
        known = self.row["pretrained"]
        return "" if known in (None, "", "none") else f"pretrained: {known}"

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """The interval to believe: over groups or, in its absence, over episodes."""
        low, high = self.row["group_ci95_low"], self.row["group_ci95_high"]
        if low is not None and high is not None:
            return low, high
        return self.row["ci95_low"], self.row["ci95_high"]

    @property
    def at_chance(self) -> bool:
        """Whether the interval holds chance."""
        low, high = self.interval
        return low is not None and high is not None and low <= self.row["chance"] <= high


@dataclass(frozen=True)
class Group:
    """Results that can be compared, best first, invalid ones among them."""

    results: list[Result]

    @property
    def row(self) -> Row:
        return self.results[0].row

    @property
    def best(self) -> Result:
        """The best result that is plain few-shot or, in its absence, valid, or the best."""
        valid = [result for result in self.results if result.is_valid]
        plain = [result for result in self.results if result.is_plain]
        return next(iter(plain or valid or self.results))

    def shared(self, key: str) -> object:
        """Return a setting of the evaluation, which all results share."""
        return self.results[0].evaluation.get(key)


def group_results(runs: Iterable[Run]) -> list[Group]:
    """Return all results in groups of comparable ones: tests, then validations, then training."""
    groups: dict[tuple[object, ...], list[Result]] = {}
    for run in runs:
        for row, evaluation in zip(run.results, _evaluations(run), strict=True):
            result = Result(run, row, evaluation, row_warnings(row, run.everything, evaluation))
            groups.setdefault(_key(result), []).append(result)
    for results in groups.values():
        results.sort(key=lambda result: (-result.row["accuracy"], result.run.number))
    ordered = sorted(groups, key=lambda key: (ORDER.get(str(key[0]), 3), *map(str, key)))
    return [Group(groups[key]) for key in ordered]


def data_of(result: Result) -> tuple[object, ...]:
    """Return which images were queries, as far as the settings of the evaluation tell."""
    data = [result.evaluation.get(f"dataset.{key}") for key in DATA]
    named = [sorted(map(str, one)) if isinstance(one, list) else one for one in data]
    within = result.run.everything.get("episodes.within") if named[-1] else None
    return (*(str(one) if one else None for one in named), within, *_demo(result.run))


def _key(result: Result) -> tuple[object, ...]:
    """Return what must be equal for two accuracies to be compared.

    A fixed support that is taken out of the evaluation's own images leaves a few more or fewer of
    them, seed by seed: their number is then no sign of other data.
    """
    row, evaluation = result.row, result.evaluation
    fixed = row["deviation"] is not None
    data = [*data_of(result), *(evaluation.get(key) for key in FIXED)]
    shape = [row["n_way"], row["k_shot"], None if fixed else row["n_query"]]
    own_support = evaluation.get("support_split")
    faces = [None, None] if own_support else [row["n_images"], row["n_groups"]]
    vote = evaluation.get("vote") if str(row["level"]).startswith("clip") else None
    vote = row["pooling"] or vote
    # An earlier version wrote `group` for every fixed support, and kept images alone apart.
    earlier = fixed and row["n_left_out"] is None
    by_image = earlier and (own_support or row["n_groups"] == row["n_images"])
    rules = ["image" if by_image else row["disjoint"], row["level"], vote, row["chance"]]
    names = [row["role"], row["dataset"], row["protocol"]]
    return (*names, *shape, *rules, *faces, *data)


def _demo(run: Run) -> tuple[object, ...]:
    """Return scale and seed of the set of drawn faces, nothing for other data."""
    settings = run.trained if run.trained else run.settings
    drawn = run.settings.get("paths.demo") or (
        run.settings.get("paths.data") is None and settings.get("paths.demo")
    )
    return (settings.get("demo.scale"), settings.get("demo.seed")) if drawn else ()


def _evaluations(run: Run) -> list[Row]:
    """Return the settings behind each row of a run's results, as far as they can be told.

    Two tests may have one protocol: the second of the same method and level is then the second's.
    """
    seen: dict[tuple[object, ...], int] = {}
    found = []
    for row in run.results:
        kind = (row["role"], row["protocol"], row["method"], row["level"])
        fitting = [place for place in _places(run, row) if _fits(run, place, row)]
        number = seen.get(kind, 0)
        seen[kind] = number + 1
        place = fitting[min(number, len(fitting) - 1)] if fitting else None
        below = f"{place}." if place else ""
        found.append({} if place is None else settings_below(run.settings, below))
    return found


def _places(run: Run, row: Row) -> list[str]:
    """Return where in the settings evaluations of this role stand: `eval`, `test.afew_4w5s`."""
    if row["role"] == "validation":
        return ["eval"]
    if row["role"] == "train":
        return [""] if "dataset.adapter" in run.settings else []
    names = [key.split(".") for key in run.settings if key.startswith("test.")]
    return [f"test.{name[1]}" for name in names if len(name) == 3 and name[2] == "name"]


def _fits(run: Run, place: str, row: Row) -> bool:
    keys = ("name", "n_way", "k_shot", "unit")
    name, way, shot, unit = (str(run.settings.get(f"{place}.{key}")) for key in keys)
    titles = (protocol_title(name, way, shot, unit), f"{name}_fixed{shot}")
    return place == "" or row["protocol"] in titles
