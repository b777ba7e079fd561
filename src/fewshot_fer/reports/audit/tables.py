"""The tables that a training command would use, loaded as `train` loads them.

What `train` would refuse with an error becomes a finding here, so that one look shows everything.

What was recognised on disk: the folder, and how classes and clips lie in it.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pandas as pd

from fewshot_fer.config.schema import DatasetConfig, EpisodesConfig, EvalConfig, TrainVerb
from fewshot_fer.data.labels import BASIC, basic_of_id, canonical
from fewshot_fer.data.load import Source, load_dataset
from fewshot_fer.episodes.fixed_support import FixedProtocol, fixed_protocol
from fewshot_fer.episodes.leakage import groups_of
from fewshot_fer.episodes.protocol import (
    EpisodicProtocol,
    RunData,
    evaluation_protocol,
    training_protocol,
)
from fewshot_fer.episodes.setup import held_out_rows
from fewshot_fer.reports.audit.findings import Finding, invalidates_if
from fewshot_fer.system.errors import EpisodeError

Protocol = TypeVar("Protocol", EpisodicProtocol, FixedProtocol)
TITLE = "cannot be drawn as asked"


@dataclass(frozen=True)
class AuditedTable:
    """The table of a role; kind: training, validation or test.

    protocol is None where its episodes or its support cannot be drawn.
    """

    kind: str
    name: str
    dataset: DatasetConfig
    table: pd.DataFrame
    protocol: EpisodicProtocol | FixedProtocol | None
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


def audited_tables(settings: TrainVerb, source: Source) -> list[AuditedTable]:
    """Return training, validation and every test. Raises DataError where files are not right."""
    table = load_dataset(settings.dataset, source)
    asked = [("validation", settings.eval), *(("test", test) for test in settings.test.values())]
    evaluations = [_evaluation(kind, one, table, settings, source) for kind, one in asked]
    return [_training(settings, table, evaluations, source), *evaluations]


def _training(
    settings: TrainVerb, table: pd.DataFrame, others: list[AuditedTable], source: Source
) -> AuditedTable:
    # Fixed supports are taken out of training, but they answer for it: they stay in this table.
    held_out = held_out_rows(table, (other.protocol for other in others))

    def build(episodes: EpisodesConfig) -> EpisodicProtocol:
        return training_protocol(replace(settings, episodes=episodes), source, held_out)

    protocol, findings = _try("training", build, settings.episodes)
    return AuditedTable(
        "training", settings.dataset.adapter, settings.dataset, table, protocol, findings
    )


def _evaluation(
    kind: str, asked: EvalConfig, training: pd.DataFrame, settings: TrainVerb, source: Source
) -> AuditedTable:
    table = load_dataset(asked.dataset, source)
    data = RunData(source, settings.episodes, settings.seed, training)
    protocol: EpisodicProtocol | FixedProtocol | None
    if asked.kind == "fixed":

        def fixed(_: EpisodesConfig) -> FixedProtocol:
            return fixed_protocol(kind, asked, data)

        protocol, findings = _try(f"{kind} {asked.name}", fixed, settings.episodes)
        table = table if protocol is None else protocol.table  # without what is support
    else:

        def episodic(episodes: EpisodesConfig) -> EpisodicProtocol:
            return evaluation_protocol(kind, asked, replace(data, rules=episodes))

        protocol, findings = _try(f"{kind} {asked.name}", episodic, settings.episodes)
    return AuditedTable(
        kind, asked.name, asked.dataset, table, protocol, findings, asked.support_split
    )


def _try(
    what: str, build: Callable[[EpisodesConfig], Protocol], episodes: EpisodesConfig
) -> tuple[Protocol | None, list[Finding]]:
    """Return a protocol and what stands in its way; classes that may be skipped are a note."""
    findings: list[Finding] = []
    for skip in (False, True) if episodes.skip_small_classes else (False,):
        try:
            return build(replace(episodes, skip_small_classes=skip)), findings
        except EpisodeError as error:
            may_go_on = episodes.skip_small_classes and not skip
            findings.append(invalidates_if(not may_go_on, f"{what} {TITLE}", str(error), ()))
    return None, findings


Row = dict[str, object]


def table_row(audited: AuditedTable) -> Row:
    """Return what an audited table consists of, for the table on screen and for check.json."""
    table = audited.table
    return {
        "role": audited.title,
        "dataset": audited.dataset.adapter,
        "split": audited.dataset.split,
        "images": len(table),
        "groups": int(groups_of(table).nunique()),
        "classes": int(table["label"].nunique()),
        "asked": _asked(audited),
        "layouts": [
            layout(rows, audited.dataset.file) for _, rows in table.groupby("dataset", sort=False)
        ],
    }


def _asked(audited: AuditedTable) -> str:
    if audited.protocol is None:
        return "cannot be drawn"
    if isinstance(audited.protocol, FixedProtocol):
        return f"every image, {audited.protocol.k_shot} support images a class"
    return str(audited.protocol.shape) if audited.protocol.shape.k_shot else "every image"


def layout(table: pd.DataFrame, file: str | None = None) -> Row:
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
    """Tell from the first image where its label and its group come from."""
    first = table.iloc[0]
    folders = [parent.name for parent in Path(first["path"]).parents[:2]]
    named = [_names(folder, first["label"]) for folder in folders]
    if named[0]:
        return "folders of classes"
    if named[-1]:
        return "folders of classes, and of clips or subjects in them"
    return "a list of labels"


def _names(folder: str, label: str) -> bool:
    if canonical(folder) == label:
        return True
    return (
        folder.isdecimal() and 1 <= int(folder) <= len(BASIC) and basic_of_id(int(folder)) == label
    )
