"""Which results may stand side by side: the same question, asked of the same faces."""

from collections.abc import Iterable
from dataclasses import dataclass

from fewshot_fer.reports.page.collect import Run
from fewshot_fer.reports.page.run_files import Row
from fewshot_fer.reports.page.spoiling import Warned, below, warned

ORDER = {"test": 0, "validation": 1, "train": 2}
DATA = ("split", "root", "file")
FIXED = ("support_split", "support_draws")


@dataclass(frozen=True)
class Result:
    """A row of results.csv, the run it is of, and the settings of its evaluation (flat)."""

    run: Run
    row: Row
    asked: Row

    warned: Warned

    @property
    def spoiled(self) -> list[str]:
        """What the check found, in words: the figure is not to be trusted."""
        return self.warned.spoils

    @property
    def is_plain(self) -> bool:
        """Whether it rests on nothing but the support: plain few-shot, and not spoiled."""
        return not self.spoiled and not self.row["uses"]

    @property
    def at_chance(self) -> bool:
        """Whether the interval over groups holds chance."""
        low, high = self.row["group_ci95_low"], self.row["group_ci95_high"]
        if low is None or high is None:
            low, high = self.row["ci95_low"], self.row["ci95_high"]
        return low is not None and high is not None and low <= self.row["chance"] <= high


@dataclass(frozen=True)
class Group:
    """Results that can be compared, best first, spoiled ones among them."""

    results: list[Result]

    @property
    def row(self) -> Row:
        return self.results[0].row

    @property
    def best(self) -> Result:
        """The best result that is plain few-shot and that nothing spoils or, in its absence, the
        best that nothing spoils, or the best."""
        sound = [result for result in self.results if not result.spoiled]
        plain = [result for result in self.results if result.is_plain]
        return next(iter(plain or sound or self.results))

    def shared(self, key: str) -> object:
        """Return a setting of the evaluation, which all results share."""
        return self.results[0].asked.get(key)


def group_results(runs: Iterable[Run]) -> list[Group]:
    """Return all results in groups of comparable ones: tests, then validations, then training."""
    groups: dict[tuple[object, ...], list[Result]] = {}
    for run in runs:
        for row, asked in zip(run.results, _evaluations(run), strict=True):
            result = Result(run, row, asked, warned(row, run.everything, asked))
            groups.setdefault(_key(run, row, asked), []).append(result)
    for results in groups.values():
        results.sort(key=lambda result: (-result.row["accuracy"], result.run.number))
    ordered = sorted(groups, key=lambda key: (ORDER.get(str(key[0]), 3), *map(str, key)))
    return [Group(groups[key]) for key in ordered]


def data_of(run: Run, asked: Row) -> tuple[object, ...]:
    """Return which images were asked, as far as the settings of the evaluation (flat) tell."""
    return (*(asked.get(f"dataset.{key}") for key in DATA), *_demo(run))


def _key(run: Run, row: Row, asked: Row) -> tuple[object, ...]:
    """Return what must be equal for two accuracies to be compared.

    A fixed support that is taken out of the evaluation's own images leaves a few more or fewer of
    them, seed by seed: their number is then no sign of other data.
    """
    fixed = row["deviation"] is not None
    data = [*data_of(run, asked), *(asked.get(key) for key in FIXED)]
    shape = [row["n_way"], row["k_shot"], None if fixed else row["n_query"]]
    faces = [None, None] if asked.get("support_split") else [row["n_images"], row["n_groups"]]
    vote = asked.get("vote") if str(row["level"]).startswith("clip") else None
    rules = [row["disjoint"], row["level"], vote, row["chance"]]
    names = [row["role"], row["dataset"], row["protocol"]]
    return (*names, *shape, *rules, *faces, *data)


def _demo(run: Run) -> tuple[object, ...]:
    """Return which embedded data set was drawn, if it was that."""
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
        found.append({} if place is None else below(run.settings, f"{place}." if place else ""))
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
    if place == "":
        return True
    settings = run.settings
    name, shot = settings.get(f"{place}.name"), settings.get(f"{place}.k_shot")
    way = settings.get(f"{place}.n_way")
    return row["protocol"] in (f"{name}_{way}w{shot}s", f"{name}_fixed{shot}")
