"""Reduce the settings of a run to the data sets that are there, where they allow it."""

import logging
from dataclasses import replace
from typing import TypeVar

from fewshot_fer.config.schema import DatasetConfig, EvalConfig, TestVerb, TrainVerb
from fewshot_fer.data.load import Source, load_dataset
from fewshot_fer.system.errors import NotThereError

Verb = TypeVar("Verb", TrainVerb, TestVerb)
log = logging.getLogger("fewshot_fer")


def with_available(settings: Verb, source: Source) -> Verb:
    """Return the settings without the sets of unions, and the tests, that are not there.

    That is where their `dataset.skip_missing` allows it; what is left has it no more, so that a
    run's config.yaml names what it read, and goes on with that alone. Says what is left out. Raises
    NotThereError where a union has no set left.
    """
    tests = {name: _found(name, test, source) for name, test in settings.test.items()}
    settings = replace(settings, test={name: test for name, test in tests.items() if test})
    if not isinstance(settings, TrainVerb):
        return settings
    validated = replace(settings.eval, dataset=_reduced(settings.eval.dataset, source))
    return replace(settings, dataset=_reduced(settings.dataset, source), eval=validated)


def _found(name: str, test: EvalConfig, source: Source) -> EvalConfig | None:
    try:
        found = replace(test, dataset=_reduced(test.dataset, source))
        if test.dataset.skip_missing:
            load_dataset(found.dataset, source)
    except NotThereError as error:
        if not test.dataset.skip_missing:
            raise
        log.warning("test=%s is left out: %s", name, error)
        return None
    return found


def _reduced(dataset: DatasetConfig, source: Source) -> DatasetConfig:
    """Return the settings of a data set with the sets of a union that are there."""
    if not dataset.skip_missing or not dataset.sets:
        return replace(dataset, skip_missing=False)
    whole = load_dataset(replace(dataset, split="all", classes=[]), source)
    return replace(dataset, sets=whole.attrs["sets"], skip_missing=False)
