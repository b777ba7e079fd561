"""Set-up of a run: its training, its validation and its tests.

Everything is loaded and checked before the first image is decoded.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.config.schema import EpisodesConfig, EvalConfig, TestVerb, TrainVerb
from fewshot_fer.data.fingerprint import table_identity
from fewshot_fer.data.load import Source, load_dataset
from fewshot_fer.episodes.fixed_support import FixedProtocol, fixed_protocol
from fewshot_fer.episodes.leakage import (
    AnyProtocol,
    audited,
    trained_on_test,
    warn_of_shared_images,
)
from fewshot_fer.episodes.protocol import (
    EpisodicProtocol,
    RunData,
    evaluation_protocol,
    training_protocol,
)
from fewshot_fer.episodes.saved import save_episodes
from fewshot_fer.system.errors import ConfigError, DataError, EpisodeError, UserError

BAD_TEST = (DataError, EpisodeError, ConfigError)
"""Errors that concern one test alone, once the training set and the validation are sound."""
log = logging.getLogger("fewshot_fer")


@dataclass(frozen=True)
class TrainingSetup:
    """Protocols of a training run.

    tests: by name; trained_on_test: test images of a data set are trained on; bad_tests: the tests
    that are left out as they cannot be run, name to reason, None where that is an error.
    """

    training: EpisodicProtocol
    validation: AnyProtocol
    tests: dict[str, AnyProtocol]
    trained_on_test: bool
    bad_tests: dict[str, str] | None = None

    @property
    def evaluations(self) -> list[AnyProtocol]:
        """Validation first, then the tests."""
        return [self.validation, *self.tests.values()]

    def leave_out(self, protocol: AnyProtocol, error: UserError) -> None:
        """Move a test to the bad ones. Raises the error where none may be, or it is no test."""
        name = next((name for name, test in self.tests.items() if test is protocol), None)
        if self.bad_tests is None or name is None:
            raise error
        del self.tests[name]
        _note_bad_test(self.bad_tests, name, error)


@dataclass(frozen=True)
class TestSetup:
    """Protocols of a test of a finished run; trained_on_test is None where unknown."""

    tests: list[AnyProtocol]
    trained_on_test: bool | None


def setup_training(settings: TrainVerb, source: Source) -> TrainingSetup:
    """Return all protocols of a training run; fixed supports are taken out of training.

    With `skip_bad_tests` a test that cannot be built is left out. Raises UserError.
    """
    table = load_dataset(settings.dataset, source)
    data = RunData(source, settings.episodes, settings.seed, table)
    bad: dict[str, str] | None = {} if settings.skip_bad_tests else None
    validation = build_protocol("validation", settings.eval, data)
    tests = _build_tests(settings, data, bad)
    evaluations = [validation, *tests.values()]
    training = training_protocol(settings, source, held_out_rows(table, evaluations))
    warn_of_shared_images(training, evaluations)
    _say_remarks(source)
    tests = {name: audited(test, [training, validation]) for name, test in tests.items()}
    validation = audited(validation, [training])
    training = audited(training, [])
    return TrainingSetup(training, validation, tests, trained_on_test(table), bad)


def _build_tests(
    settings: TrainVerb, data: RunData, bad: dict[str, str] | None
) -> dict[str, AnyProtocol]:
    """Return name -> protocol of the tests; those that cannot be built go to `bad`, if given."""
    tests = {}
    for name, test in settings.test.items():
        try:
            tests[name] = build_protocol("test", test, data)
        except BAD_TEST as error:
            if bad is None:
                raise
            _note_bad_test(bad, name, error)
    return tests


def _note_bad_test(bad: dict[str, str], name: str, error: UserError) -> None:
    bad[name] = " ".join(str(error).split())
    log.warning("test=%s is left out: %s", name, bad[name])


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
        return TestSetup([audited(test, []) for test in tests], None)
    # Which images a run was trained on does not depend on a file of episodes.
    rules = replace(trained.episodes, load=None, save=None)
    data = RunData(source, rules, trained.seed, table, level=logging.DEBUG)  # said in training
    training = _training_again(trained, table, data)
    warn_of_shared_images(training, tests)
    before = [training, *_validation_again(trained, data)]
    return TestSetup([audited(test, before) for test in tests], trained_on_test(table))


def evaluations_of(settings: TrainVerb) -> Iterator[tuple[str, EvalConfig]]:
    """Yield the role and the settings of a training run's validation and tests."""
    yield "validation", settings.eval
    yield from (("test", test) for test in settings.test.values())


def build_protocol(role: str, settings: EvalConfig, data: RunData) -> AnyProtocol:
    """Return the protocol of a validation or test, of the kind that its settings name."""
    build = evaluation_protocol if settings.kind == "episodes" else fixed_protocol
    return build(role, settings, data)


def class_names_of(protocol: AnyProtocol) -> tuple[str, ...]:
    """Return the classes of a protocol, in label order."""
    if isinstance(protocol, FixedProtocol):
        return protocol.support.class_names
    return protocol.pool.class_names


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
    drawn = {each.stream: (each.drawn_table, each.draw(seed)) for each in episodic}
    save_episodes(file, drawn, {each.stream: table_identity(each.whole_table) for each in episodic})


def _say_remarks(source: Source) -> None:
    """Log what was read in another way than it may be meant, of each data set once."""
    tables = source.tables.values()
    remarks = (remark for table in tables for remark in table.attrs.get("remarks", []))
    for remark in dict.fromkeys(remarks):
        log.info("%s", remark)


def _training_table(settings: TestVerb, trained: TrainVerb, source: Source) -> pd.DataFrame | None:
    """Return the training table of a finished run, None where it is not at hand and not needed."""
    place = trained.dataset.file or source.folder_of(trained.dataset)
    try:
        return load_dataset(trained.dataset, source)
    except DataError as error:
        tests = settings.test.values()
        if any(test.kind == "fixed" and test.support_split is None for test in tests):
            raise DataError(
                f"the fixed support is drawn from the training set of {settings.run}, which cannot "
                f"be read at {place}: name its place with paths.data= or in "
                f"{settings.run}/config.yaml, or draw the support from the tested set with "
                f"test.support_split="
            ) from error
    log.info("the run's training set is not at %s: overlap with it cannot be checked", place)
    return None


def _training_again(trained: TrainVerb, table: pd.DataFrame, data: RunData) -> EpisodicProtocol:
    """Return the protocol that a run was trained by: without its own fixed supports."""
    data = replace(data, rules=replace(data.rules, disjoint="image"))  # scores nothing
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
