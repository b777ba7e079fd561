"""Load the tables that a training command would use, as `train` loads them, and describe each.

What `train` would refuse with an error becomes a finding here, so that one look shows everything.
A finding is one line for people, and every path for programs.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from fewshot_fer.config.schema import DatasetConfig, EpisodesConfig, EvalConfig, TrainVerb
from fewshot_fer.data.labels import BASIC, basic_of_id, canonical, plain_name
from fewshot_fer.data.load import Source, load_dataset
from fewshot_fer.data.neutral import require_neutral
from fewshot_fer.episodes.fixed_support import FixedProtocol
from fewshot_fer.episodes.leakage import AnyProtocol, groups_of
from fewshot_fer.episodes.protocol import RunData, training_protocol
from fewshot_fer.episodes.setup import build_protocol, evaluations_of, held_out_rows
from fewshot_fer.system.errors import DataError, EpisodeError, SmallClassError

SHOWN = 3  # paths of a finding on screen; check.json holds all
Row = dict[str, object]


@dataclass(frozen=True)
class Finding:
    """One thing to know about the data.

    level: `spoils` where it invalidates a result, or `note`; paths: one image each, or the images
    that are one and the same.
    """

    level: str
    title: str
    detail: str
    paths: tuple[tuple[str, ...], ...] = ()

    @property
    def invalidates(self) -> bool:
        """Whether a result on these data would be invalid."""
        return self.level == "spoils"

    def lines(self) -> list[str]:
        """Return it as lines for people, the first few paths among them."""
        mark = "SPOILS" if self.invalidates else "note"
        lines = [f"{mark:6}  {self.title}: {self.detail}"]
        lines += ["          " + " = ".join(paths) for paths in self.paths[:SHOWN]]
        left = len(self.paths) - SHOWN
        return lines + ([f"          and {left} more in check.json"] if left > 0 else [])


def fault(title: str, detail: str, paths: Iterable[Sequence[str]] = ()) -> Finding:
    """Return a finding that invalidates a result."""
    return Finding("spoils", title, detail, tuple(map(tuple, paths)))


def note(title: str, detail: str, paths: Iterable[Sequence[str]] = ()) -> Finding:
    """Return a finding that is worth knowing and invalidates nothing."""
    return Finding("note", title, detail, tuple(map(tuple, paths)))


@dataclass(frozen=True)
class AuditedTable:
    """The table of a role; kind: training, validation or test.

    protocol is None where its episodes or its support cannot be drawn.
    """

    kind: str
    name: str
    dataset: DatasetConfig
    table: pd.DataFrame
    protocol: AnyProtocol | None
    findings: list[Finding] = field(default_factory=list)
    support_split: str | None = None

    @property
    def title(self) -> str:
        return self.kind if self.kind == "training" else f"{self.kind} {self.name}"

    @property
    def own_support(self) -> pd.DataFrame | None:
        """The images of a fixed support that comes from another split than the training set's."""
        if not isinstance(self.protocol, FixedProtocol) or not self.support_split:
            return None
        return self.protocol.support_table.iloc[self.protocol.support.images()]


def neutral_findings(audited: Sequence[AuditedTable], settings: TrainVerb) -> Iterator[Finding]:
    """Yield each evaluation that cannot be taken relative to neutral faces, where it is to be."""
    for one in audited:
        if settings.method.neutral == "subject" and one.kind != "training":
            try:
                require_neutral(one.table, one.title)
            except DataError as error:
                yield fault("neutral faces", str(error))


def audited_tables(settings: TrainVerb, source: Source) -> list[AuditedTable]:
    """Return training, validation and every test. Raises DataError where files are not right."""
    table = load_dataset(settings.dataset, source)
    data = RunData(source, settings.episodes, settings.seed, table)
    evaluations = [_evaluation(*each, data) for each in evaluations_of(settings)]
    # Fixed supports are not trained on, but they come from this table, and it holds them here.
    held_out = held_out_rows(table, (one.protocol for one in evaluations))

    def build(rules: EpisodesConfig) -> AnyProtocol:
        return training_protocol(replace(settings, episodes=rules), source, held_out)

    protocol, findings = _try("training", build, _stricter_first(settings.episodes))
    name = settings.dataset.adapter
    training = AuditedTable("training", name, settings.dataset, table, protocol, findings)
    return [training, *evaluations]


def table_row(audited: AuditedTable) -> Row:
    """Return what an audited table consists of, for the table on screen and for check.json."""
    table = audited.table
    return {
        "role": audited.title,
        "dataset": audited.dataset.adapter,
        "split": audited.dataset.split,
        "images": len(table),
        "clips": len(table.loc[table["clip"] != "", ["dataset", "clip"]].drop_duplicates()),
        "groups": int(groups_of(table).nunique()),
        "classes": int(table["label"].nunique()),
        "asked": _asked(audited),
        "layouts": [
            _layout(rows, None if audited.dataset.sets and name != "csv" else audited.dataset.file)
            for name, rows in table.groupby("dataset", sort=False)
        ],
    }


def _evaluation(kind: str, settings: EvalConfig, data: RunData) -> AuditedTable:
    def build(rules: EpisodesConfig) -> AnyProtocol:
        return build_protocol(kind, settings, replace(data, rules=rules))

    # A fixed support leaves small classes out where that is allowed, and logs which.
    rules = [data.rules] if settings.kind == "fixed" else _stricter_first(data.rules)
    protocol, findings = _try(f"{kind} {settings.name}", build, rules)
    table = load_dataset(settings.dataset, data.source) if protocol is None else protocol.table
    names = (kind, settings.name, settings.dataset)
    return AuditedTable(*names, table, protocol, findings, settings.support_split)


def _stricter_first(rules: EpisodesConfig) -> list[EpisodesConfig]:
    """Return rules that refuse small classes, then rules that skip them if these may do so."""
    skips = (False, True) if rules.skip_small_classes else (False,)
    return [replace(rules, skip_small_classes=skip) for skip in skips]


def _try(
    what: str, build: Callable[[EpisodesConfig], AnyProtocol], rules: Sequence[EpisodesConfig]
) -> tuple[AnyProtocol | None, list[Finding]]:
    """Return the first protocol that rules allow, and a finding for each that failed before it.

    The last failure is a fault; one before it is a note on the classes that are left out.
    """
    findings: list[Finding] = []
    for number, one in enumerate(rules, start=1):
        try:
            return build(one), findings
        except EpisodeError as error:
            title = f"{what} cannot be drawn with these settings"
            if number < len(rules) and isinstance(error, SmallClassError):
                detail = f"{error.found}; left out, as episodes.skip_small_classes=true says"
                findings.append(note(title, detail))
            elif number == len(rules):
                findings.append(fault(title, str(error)))
    return None, findings


def _asked(audited: AuditedTable) -> str:
    if audited.protocol is None:
        return "cannot be drawn"
    if isinstance(audited.protocol, FixedProtocol):
        return f"every image, {audited.protocol.k_shot} support images a class"
    return str(audited.protocol.shape) if audited.protocol.shape.k_shot else "every image"


def _layout(table: pd.DataFrame, file: str | None = None) -> Row:
    """Return where the images of one data set lie and how, with one of them as an example.

    file: the list that names them, if they come from one.
    """
    paths = table["path"].tolist()
    try:
        folder = Path(os.path.commonpath([str(Path(path).parent) for path in paths]))
    except ValueError:  # a list may name several drives
        folder = Path(paths[0]).parent
    return {
        "dataset": str(table["dataset"].iloc[0]),
        "folder": str(folder),
        "images": len(table),
        "splits": {str(k): int(n) for k, n in table["split"].value_counts(sort=False).items()},
        "labels": f"the list {file}" if file else _labels(table),
        "example": str(Path(paths[0]).relative_to(folder)),
    }


def _labels(table: pd.DataFrame) -> str:
    """Return in words where label and group of the first image come from."""
    first = table.iloc[0]
    folders = [parent.name for parent in Path(first["path"]).parents[:2]]
    named = [_is_named(folder, first["label"]) for folder in folders]
    if named[0]:
        of_subject = first["group"] == plain_name(folders[-1])
        return f"folders of {'subjects, and of classes in them' if of_subject else 'classes'}"
    if named[-1]:
        return "folders of classes, and of clips or subjects in them"
    return "a list of labels"


def _is_named(folder: str, label: str) -> bool:
    is_id = folder.isdecimal() and 1 <= int(folder) <= len(BASIC)
    return canonical(folder) == label or (is_id and basic_of_id(int(folder)) == label)
