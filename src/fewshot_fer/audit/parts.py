"""The tables that a training command would use, loaded as `train` loads them.

What `train` would refuse with an error becomes a finding here, so that one look shows everything.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.audit.findings import Finding, spoils_if
from fewshot_fer.config import DatasetConfig, EpisodesConfig, EvalConfig, TrainVerb
from fewshot_fer.data.load import Source, load_dataset
from fewshot_fer.errors import EpisodeError
from fewshot_fer.fixed_role import FixedRole, fixed_role
from fewshot_fer.roles import Role, evaluation_role, training_role

Cast = TypeVar("Cast", Role, FixedRole)
TITLE = "cannot be drawn as asked"


@dataclass(frozen=True)
class Part:
    """One role's table; kind: training, validation or test.

    role is None where its episodes or its support cannot be drawn.
    """

    kind: str
    name: str
    dataset: DatasetConfig
    table: pd.DataFrame
    role: Role | FixedRole | None
    findings: list[Finding] = field(default_factory=list)
    support_split: str | None = None

    @property
    def title(self) -> str:
        return self.kind if self.kind == "training" else f"{self.kind} {self.name}"

    @property
    def own_support(self) -> pd.DataFrame | None:
        """The images of a fixed support that comes from another split than the training set's."""
        if not isinstance(self.role, FixedRole) or not self.support_split:
            return None
        return self.role.support_table.iloc[self.role.support.images()]


def cast_parts(settings: TrainVerb, source: Source) -> list[Part]:
    """Return training, validation and every test. Raises DataError where files are not right."""
    table = load_dataset(settings.dataset, source)
    asked = [("validation", settings.eval), *(("test", test) for test in settings.test.values())]
    evaluations = [_evaluation(kind, one, table, settings, source) for kind, one in asked]
    return [_training(settings, table, evaluations, source), *evaluations]


def _training(settings: TrainVerb, table: pd.DataFrame, others: list[Part], source: Source) -> Part:
    # Fixed supports are taken out of training, but they answer for it: they stay in the part.
    held_out = _held_out(table, others)

    def build(episodes: EpisodesConfig) -> Role:
        return training_role(replace(settings, episodes=episodes), source, held_out)

    role, findings = _try("training", build, settings.episodes)
    return Part("training", settings.dataset.adapter, settings.dataset, table, role, findings)


def _held_out(table: pd.DataFrame, parts: list[Part]) -> NDArray[np.int64]:
    """Return the rows of the training table that any part has as its fixed support."""
    taken: set[str] = set()
    for part in parts:
        if isinstance(part.role, FixedRole):
            taken |= set(part.role.support_table["path"].iloc[part.role.support.images()])
    return np.flatnonzero(table["path"].isin(taken)).astype(np.int64)


def _evaluation(
    kind: str, asked: EvalConfig, training: pd.DataFrame, settings: TrainVerb, source: Source
) -> Part:
    table = load_dataset(asked.dataset, source)
    role: Role | FixedRole | None
    if asked.kind == "fixed":

        def fixed(_: EpisodesConfig) -> FixedRole:
            skip = settings.episodes.skip_small_classes
            return fixed_role(kind, asked, training, source, settings.seed, skip)

        role, findings = _try(f"{kind} {asked.name}", fixed, settings.episodes)
        table = table if role is None else role.table  # without what is support
    else:

        def episodic(episodes: EpisodesConfig) -> Role:
            return evaluation_role(kind, asked, episodes, source)

        role, findings = _try(f"{kind} {asked.name}", episodic, settings.episodes)
    return Part(kind, asked.name, asked.dataset, table, role, findings, asked.support_split)


def _try(
    what: str, build: Callable[[EpisodesConfig], Cast], episodes: EpisodesConfig
) -> tuple[Cast | None, list[Finding]]:
    """Return a role and what stands in its way; classes that may be skipped are a note."""
    findings: list[Finding] = []
    for skip in (False, True) if episodes.skip_small_classes else (False,):
        try:
            return build(replace(episodes, skip_small_classes=skip)), findings
        except EpisodeError as error:
            may_go_on = episodes.skip_small_classes and not skip
            findings.append(spoils_if(not may_go_on, f"{what} {TITLE}", str(error), ()))
    return None, findings
