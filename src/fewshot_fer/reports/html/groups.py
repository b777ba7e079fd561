"""Which results may stand side by side: the same question, asked of the same faces.

Which of a run's results the check's warnings spoil.

A run's warnings stand in every row of its results.csv. Whether a row suffers from them depends on
its data set: images that stand in training and in one test do not spoil the test on another set.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fewshot_fer.reports.html.collect import Run
from fewshot_fer.runs.read import Row

OWN = frozenset({"own"})  # folders and lists: any two may hold the same files
FAMILIES = {
    "mixed": frozenset({"rafdb_basic", "afew"}),
    "folder": OWN,
    "csv": OWN,
}
OFFICIAL = ("test", "val", "all")


@dataclass(frozen=True)
class Warned:
    """spoils: what is wrong with a row; noted: warnings of its run that do not concern it."""

    spoils: list[str]
    noted: list[str]


def warned(row: Row, settings: Row, asked: Row) -> Warned:
    """Return the check's warnings on a row of results.csv, in words.

    settings: of the run and, for a test, of its training (flat); asked: of the row's evaluation.
    Where they are not known, each warning concerns the row.
    """
    found = Warned([], [])
    if row["role"] == "train":  # nobody takes it for a figure of new faces
        return found
    roles = list(_roles(settings))
    known = bool(asked) and "dataset.adapter" in settings
    words = [word for word in str(row["warnings"] or "").split(";") if word]
    if row["trained_on_test"] is True and "trained_on_test" not in words:
        words.insert(0, "trained_on_test")
    for word in words:
        kind, _, count = word.partition(":")
        spoils = not known or _concerns(kind, (str(row["role"]), asked), roles)
        text = {
            "trained_on_test": "trained on test images",
            "shared_images": f"{count} images stand in two roles",
            "shared_groups": f"{count} clips or subjects stand in two roles",
        }.get(kind, word)
        (found.spoils if spoils else found.noted).append(
            text if spoils else f"{text}, of another data set"
        )
    return found


Part = tuple[str, Row]
"""A role, and the settings of its data set: `dataset.adapter` and the like."""


def _concerns(kind: str, own: Part, roles: list[Part]) -> bool:
    if kind == "trained_on_test":
        trained = next(settings for role, settings in roles if role == "train")
        official = str(own[1].get("dataset.split")) in OFFICIAL
        return official and bool(_family(own[1]) & _family(trained))
    if kind not in ("shared_images", "shared_groups"):
        return True
    if not any(_meet(kind, one, other) for one in roles for other in roles):
        return True  # found where it should not be: nobody can say which row is free of it
    return any(_meet(kind, own, other) for other in roles)


def _meet(kind: str, first: Part, second: Part) -> bool:
    """Tell whether two roles can share images, or clips and subjects, which may cross splits."""
    (role, one), (other_role, other) = first, second
    if role == other_role:
        return False
    splits = {str(one.get("dataset.split")), str(other.get("dataset.split"))}
    crossing = kind == "shared_groups" or "all" in splits or len(splits) == 1
    return bool(_family(one) & _family(other)) and (crossing or bool(OWN & _family(one)))


def _family(settings: Row) -> frozenset[str]:
    adapter = str(settings.get("dataset.adapter"))
    return FAMILIES.get(adapter, frozenset({adapter}))


def _roles(settings: Row) -> Iterator[Part]:
    """Yield each role of a run; several tests are one role."""
    yield "train", settings
    yield "validation", below(settings, "eval.")
    for name in dict.fromkeys(key.split(".")[1] for key in settings if key.startswith("test.")):
        yield "test", below(settings, f"test.{name}.")


def below(settings: Row, prefix: str) -> Row:
    """Return the settings below a prefix, without it."""
    start = len(prefix)
    return {key[start:]: value for key, value in settings.items() if key.startswith(prefix)}


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
