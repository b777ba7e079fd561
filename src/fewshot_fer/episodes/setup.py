"""Which data sets play which part in a run, and what that does to its figures.

Everything is loaded and checked before the first image is decoded.

The part of the audit that opens no file: quick enough for every training run.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.config.schema import EpisodesConfig, EvalConfig, TestVerb, TrainVerb
from fewshot_fer.data.load import Source, load_dataset
from fewshot_fer.episodes.fixed_support import FixedProtocol, fixed_protocol
from fewshot_fer.episodes.protocol import EpisodicProtocol, evaluation_protocol, training_protocol
from fewshot_fer.episodes.saved import save_episodes
from fewshot_fer.system.errors import DataError, EpisodeError


def quick_audit(protocols: Sequence[EpisodicProtocol | FixedProtocol]) -> list[str]:
    """Return stamps for results, such as `trained_on_test`, `shared_images:12`, `shared_groups:3`.

    trained_on_test: images of an official test or validation split are trained on; shared_images:
    files that stand in two roles; shared_groups: clips or subjects that do. Several tests are one
    role. Nothing found is an empty list.
    """
    tables = _tables(protocols)
    stamps = []
    trained = tables.get("train")
    if trained is not None and trained["split"].isin(["test", "val"]).any():
        stamps.append("trained_on_test")
    images = _in_two([set(table["path"]) for table in tables.values()])
    groups = _in_two([_groups(table) for table in tables.values()])
    stamps += [f"shared_images:{images}"] if images else []
    stamps += [f"shared_groups:{groups}"] if groups else []
    return stamps


def _tables(protocols: Sequence[EpisodicProtocol | FixedProtocol]) -> dict[str, pd.DataFrame]:
    found: dict[str, list[pd.DataFrame]] = {}
    for protocol in protocols:
        table = protocol.table
        if isinstance(protocol, EpisodicProtocol):  # training leaves held-out rows undrawn
            table = table.iloc[np.unique(protocol.pool.rows)]
        found.setdefault(protocol.role, []).append(table)
    return {kind: pd.concat(tables) for kind, tables in found.items()}


def _groups(table: pd.DataFrame) -> set[str]:
    grouped = table[table["group"] != table["path"]]
    return set(grouped["dataset"] + " " + grouped["group"])


def _in_two(sets: Sequence[set[str]]) -> int:
    """Count what stands in two sets or more."""
    seen: set[str] = set()
    twice: set[str] = set()
    for some in sets:
        twice |= seen & some
        seen |= some
    return len(twice)


log = logging.getLogger("fewshot_fer")
AnyProtocol = EpisodicProtocol | FixedProtocol


@dataclass(frozen=True)
class TrainingSetup:
    """Protocols of a training run. trained_on_test: test images of a data set were trained on."""

    training: EpisodicProtocol
    validation: AnyProtocol
    tests: list[AnyProtocol]
    trained_on_test: bool


@dataclass(frozen=True)
class TestSetup:
    """The protocols of a test of a trained run; trained_on_test is None where nobody can tell.

    warnings: what the quick check finds in training, validation and tests together.
    """

    tests: list[AnyProtocol]
    trained_on_test: bool | None
    warnings: list[str]


def setup_training(settings: TrainVerb, source: Source) -> TrainingSetup:
    """Return all protocols of a training run; fixed supports are taken out of training."""
    table = load_dataset(settings.dataset, source)
    validation, *tests = (
        _evaluation(role, evaluation, settings.episodes, table, source, settings.seed)
        for role, evaluation in _evaluations(settings)
    )
    training = training_protocol(settings, source, _held_out([validation, *tests], table))
    _warn_of_shared_images(table.iloc[np.unique(training.pool.rows)], [validation, *tests])
    return TrainingSetup(training, validation, tests, trained_on_test(table))


def setup_tests(settings: TestVerb, trained: TrainVerb, source: Source) -> TestSetup:
    """Return the protocols of a test. The training set is looked at too, for what was trained on.

    A run may be tested where its training set is not at hand, unless a fixed support comes from it.
    """
    seed = trained.seed if settings.seed is None else settings.seed
    asked = settings.test.values()
    try:
        table = load_dataset(trained.dataset, source)
    except DataError:
        if any(test.kind == "fixed" and test.support_split is None for test in asked):
            raise
        log.info("the run's training set is not at hand: overlap with it cannot be checked")
        table = None
    protocols = [_evaluation("test", t, settings.episodes, table, source, seed) for t in asked]
    if table is None:
        return TestSetup(protocols, None, [])
    training = _training_again(trained, table, source)
    _warn_of_shared_images(table.iloc[np.unique(training.pool.rows)], protocols)
    found = quick_audit([training, *_validation_again(trained, table, source), *protocols])
    return TestSetup(protocols, trained_on_test(table), found)


def _evaluations(settings: TrainVerb) -> Iterable[tuple[str, EvalConfig]]:
    yield "validation", settings.eval
    yield from (("test", test) for test in settings.test.values())


def _evaluation(
    role: str,
    settings: EvalConfig,
    episodes: EpisodesConfig,
    training: pd.DataFrame | None,
    source: Source,
    seed: int,
) -> AnyProtocol:
    if settings.kind == "episodes":
        return evaluation_protocol(role, settings, episodes, source)
    support = pd.DataFrame() if training is None else training
    return fixed_protocol(role, settings, support, source, seed, episodes.skip_small_classes)


def _held_out(protocols: list[AnyProtocol], training: pd.DataFrame) -> NDArray[np.int64]:
    """Return the rows of the training table that are a fixed support of any protocol."""
    taken: set[str] = set()
    for protocol in protocols:
        if isinstance(protocol, FixedProtocol):
            taken |= set(protocol.support_table["path"].iloc[protocol.support.images()])
    return np.flatnonzero(training["path"].isin(taken)).astype(np.int64)


def _training_again(trained: TrainVerb, table: pd.DataFrame, source: Source) -> EpisodicProtocol:
    """Return what a run was trained on: its training set less its own fixed supports."""
    protocols = [
        _evaluation(role, evaluation, _drawn_anew(trained), table, source, trained.seed)
        for role, evaluation in _evaluations(trained)
        if evaluation.kind == "fixed"
    ]
    return training_protocol(trained, source, _held_out(protocols, table))


def _validation_again(trained: TrainVerb, table: pd.DataFrame, source: Source) -> list[AnyProtocol]:
    """Return what a run was validated on, nothing where its images are not at hand."""
    try:
        episodes = _drawn_anew(trained)
        return [_evaluation("validation", trained.eval, episodes, table, source, trained.seed)]
    except (DataError, EpisodeError):
        log.info("the run's validation set is not at hand: overlap with it cannot be checked")
        return []


def _drawn_anew(trained: TrainVerb) -> EpisodesConfig:
    """Return a run's rules of episodes: which images there are does not depend on a saved file."""
    return replace(trained.episodes, load=None, save=None)


def save_drawn(
    protocols: list[AnyProtocol], episodes: EpisodesConfig, seed: int, only_in: Path | None = None
) -> None:
    """Write the episodes of all protocols that have some, if episodes.save names a file.

    only_in: a folder beyond which nothing is written; a file that is not there is warned of.
    """
    if episodes.save is None:
        return
    file = Path(episodes.save).expanduser()
    if only_in is not None and not file.resolve().is_relative_to(only_in.resolve()):
        if not file.exists():
            log.warning("episodes.save=%s lies outside the resumed run: it is not written", file)
        return
    drawn = {
        r.stream: (r.table, r.draw(seed)) for r in protocols if isinstance(r, EpisodicProtocol)
    }
    save_episodes(file, drawn)


def trained_on_test(training: pd.DataFrame) -> bool:
    """Tell whether a training table holds images of an official test or validation split."""
    return bool(training["split"].isin(["test", "val"]).any())


def _warn_of_shared_images(trained: pd.DataFrame, protocols: list[AnyProtocol]) -> None:
    paths = set(trained["path"])
    for protocol in protocols:
        name = f"{protocol.role} {protocol.title}"
        asked = int(protocol.table["path"].isin(paths).sum())
        if asked:
            log.warning(
                "%s: %d of its %d images were trained on: its accuracy says nothing of new faces",
                name,
                asked,
                len(protocol.table),
            )
        if isinstance(protocol, FixedProtocol):
            support = protocol.support_table["path"].iloc[protocol.support.images()]
            if support.isin(paths).any():
                log.warning("%s: the support was trained on; set it aside in train's eval=", name)
