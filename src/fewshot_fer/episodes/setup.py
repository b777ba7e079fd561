"""Set-up of a run: its training, its validation and its tests, and leakage between them.

Everything is loaded and checked before the first image is decoded. Leakage becomes stamps for
results, and warnings on screen; it is quick enough to look for in every training run.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.config.schema import EpisodesConfig, EvalConfig, TestVerb, TrainVerb
from fewshot_fer.data.load import Source, load_dataset
from fewshot_fer.episodes.fixed_support import FixedProtocol, fixed_protocol
from fewshot_fer.episodes.protocol import (
    EpisodicProtocol,
    RunData,
    evaluation_protocol,
    training_protocol,
)
from fewshot_fer.episodes.saved import save_episodes
from fewshot_fer.system.errors import DataError, EpisodeError

AnyProtocol = EpisodicProtocol | FixedProtocol
log = logging.getLogger("fewshot_fer")


@dataclass(frozen=True)
class TrainingSetup:
    """Protocols of a training run. trained_on_test: test images of a data set are trained on."""

    training: EpisodicProtocol
    validation: AnyProtocol
    tests: list[AnyProtocol]
    trained_on_test: bool

    @property
    def evaluations(self) -> list[AnyProtocol]:
        """Validation first, then the tests."""
        return [self.validation, *self.tests]


@dataclass(frozen=True)
class TestSetup:
    """Protocols of a test of a finished run; trained_on_test is None where unknown.

    warnings: stamps of the quick audit of training, validation and tests together.
    """

    tests: list[AnyProtocol]
    trained_on_test: bool | None
    warnings: list[str]


def setup_training(settings: TrainVerb, source: Source) -> TrainingSetup:
    """Return all protocols of a training run; fixed supports are taken out of training."""
    table = load_dataset(settings.dataset, source)
    data = RunData(source, settings.episodes, settings.seed, table)
    evaluations = [build_protocol(*each, data) for each in evaluations_of(settings)]
    training = training_protocol(settings, source, held_out_rows(table, evaluations))
    warn_of_shared_images(training, evaluations)
    validation, *tests = evaluations
    _say_remarks(source)
    return TrainingSetup(training, validation, tests, trained_on_test(table))


def setup_tests(settings: TestVerb, trained: TrainVerb, source: Source) -> TestSetup:
    """Return the protocols of a test. The training set is loaded too, to compare with it.

    A run may be tested where its training set is not at hand, unless a fixed support comes from it.
    """
    table = _training_table(settings, trained, source)
    seed = trained.seed if settings.seed is None else settings.seed
    data = RunData(source, settings.episodes, seed, table)
    tests = [build_protocol("test", test, data) for test in settings.test.values()]
    _say_remarks(source)
    if table is None:
        return TestSetup(tests, None, [])
    # Which images a run was trained on does not depend on a file of episodes.
    rules = replace(trained.episodes, load=None, save=None)
    data = RunData(source, rules, trained.seed, table)
    training = _training_again(trained, table, data)
    warn_of_shared_images(training, tests)
    found = quick_audit([training, *_validation_again(trained, data), *tests])
    return TestSetup(tests, trained_on_test(table), found)


def evaluations_of(settings: TrainVerb) -> Iterator[tuple[str, EvalConfig]]:
    """Yield the role and the settings of a training run's validation and tests."""
    yield "validation", settings.eval
    yield from (("test", test) for test in settings.test.values())


def build_protocol(role: str, settings: EvalConfig, data: RunData) -> AnyProtocol:
    """Return the protocol of a validation or test, of the kind that its settings name."""
    build = evaluation_protocol if settings.kind == "episodes" else fixed_protocol
    return build(role, settings, data)


def held_out_rows(
    training: pd.DataFrame, protocols: Iterable[AnyProtocol | None]
) -> NDArray[np.int64]:
    """Return the rows of the training table that are a fixed support of any protocol."""
    fixed = (protocol for protocol in protocols if isinstance(protocol, FixedProtocol))
    taken = set(chain.from_iterable(protocol.support_paths for protocol in fixed))
    return np.flatnonzero(training["path"].isin(taken)).astype(np.int64)


def save_drawn(
    protocols: Sequence[AnyProtocol], rules: EpisodesConfig, seed: int, only_in: Path | None = None
) -> None:
    """Write the episodes of all protocols that draw some, if episodes.save names a file.

    only_in: a folder beyond which nothing is written; a file that is not there is warned of.
    """
    if rules.save is None:
        return
    file = Path(rules.save).expanduser()
    if only_in is not None and not file.resolve().is_relative_to(only_in.resolve()):
        if not file.exists():
            log.warning("episodes.save=%s lies outside the resumed run: it is not written", file)
        return
    episodic = [each for each in protocols if isinstance(each, EpisodicProtocol)]
    save_episodes(file, {each.stream: (each.table, each.draw(seed)) for each in episodic})


def _say_remarks(source: Source) -> None:
    """Log what was read in another way than it may be meant, of each data set once."""
    tables = source.tables.values()
    remarks = (remark for table in tables for remark in table.attrs.get("remarks", []))
    for remark in dict.fromkeys(remarks):
        log.info("%s", remark)


def _training_table(settings: TestVerb, trained: TrainVerb, source: Source) -> pd.DataFrame | None:
    """Return the training table of a finished run, None where it is not at hand and not needed."""
    try:
        return load_dataset(trained.dataset, source)
    except DataError:
        tests = settings.test.values()
        if any(test.kind == "fixed" and test.support_split is None for test in tests):
            raise
    log.info("the run's training set is not at hand: overlap with it cannot be checked")
    return None


def _training_again(trained: TrainVerb, table: pd.DataFrame, data: RunData) -> EpisodicProtocol:
    """Return the protocol that a run was trained by: without its own fixed supports."""
    fixed = [each for each in evaluations_of(trained) if each[1].kind == "fixed"]
    held_out = held_out_rows(table, [build_protocol(*each, data) for each in fixed])
    return training_protocol(trained, data.source, held_out)


def _validation_again(trained: TrainVerb, data: RunData) -> list[AnyProtocol]:
    """Return the protocol that a run was validated by, none where its images are not at hand."""
    try:
        return [build_protocol("validation", trained.eval, data)]
    except (DataError, EpisodeError):
        log.info("the run's validation set is not at hand: overlap with it cannot be checked")
        return []


def quick_audit(protocols: Sequence[AnyProtocol]) -> list[str]:
    """Return stamps for results, such as `trained_on_test`, `shared_images:12`, `shared_groups:3`.

    trained_on_test: images of an official test or validation split are trained on; shared_images:
    files that stand in two roles; shared_groups: clips or subjects that do. Several tests are one
    role. Nothing found is an empty list.
    """
    tables = _tables_by_role(protocols)
    trained = tables.get("train")
    stamps = ["trained_on_test"] if trained is not None and trained_on_test(trained) else []
    images = _count_shared(set(table["path"]) for table in tables.values())
    groups = _count_shared(set(groups_of(table)) for table in tables.values())
    stamps += [f"shared_images:{images}"] if images else []
    stamps += [f"shared_groups:{groups}"] if groups else []
    return stamps


def trained_on_test(training: pd.DataFrame) -> bool:
    """Return whether a training table holds images of an official test or validation split."""
    return bool(training["split"].isin(["test", "val"]).any())


def groups_of(table: pd.DataFrame) -> pd.Series:
    """Return the data set and group of every image that has a clip or subject, not just itself."""
    grouped = table[table["group"] != table["path"]]
    return grouped["dataset"] + " " + grouped["group"]


def shared_groups(table: pd.DataFrame, other: pd.DataFrame) -> pd.Series:
    """Return the groups, as `groups_of`, of the images whose group or clip is in `other` too.

    The clip counts apart: of two lists, one may name subjects and clips, the other clips alone.
    """
    groups = groups_of(table)
    own, others = (
        (each["dataset"] + " " + each["clip"])[each["clip"] != ""] for each in (table, other)
    )
    same = groups.isin(set(groups_of(other))) | own.isin(set(others)).reindex(
        groups.index, fill_value=False
    )
    return groups[same]


def warn_of_shared_images(training: EpisodicProtocol, evaluations: Sequence[AnyProtocol]) -> None:
    """Warn of evaluations whose queries, or whose fixed support, are trained on."""
    paths = set(_drawn_from(training)["path"])
    for protocol in evaluations:
        name = f"{protocol.role} {protocol.title}"
        shared = int(protocol.table["path"].isin(paths).sum())
        if shared:
            log.warning(
                "%s: %d of its %d images were trained on: its accuracy says nothing of new faces",
                name,
                shared,
                len(protocol.table),
            )
        if isinstance(protocol, FixedProtocol) and protocol.support_paths.isin(paths).any():
            log.warning("%s: the support was trained on; set it aside in train's eval=", name)


def _tables_by_role(protocols: Sequence[AnyProtocol]) -> dict[str, pd.DataFrame]:
    found: dict[str, list[pd.DataFrame]] = {}
    for protocol in protocols:
        table = protocol.table if isinstance(protocol, FixedProtocol) else _drawn_from(protocol)
        found.setdefault(protocol.role, []).append(table)
    return {role: pd.concat(tables) for role, tables in found.items()}


def _drawn_from(protocol: EpisodicProtocol) -> pd.DataFrame:
    """Return the rows that episodes are drawn from: training leaves held-out ones undrawn."""
    return protocol.table.iloc[np.unique(protocol.pool.rows)]


def _count_shared(sets: Iterable[set[str]]) -> int:
    """Count what stands in two sets or more."""
    return sum(count > 1 for count in Counter(chain.from_iterable(sets)).values())
