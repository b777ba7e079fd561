"""Find which data sets lie in a folder."""

import contextlib
import logging
from collections.abc import Iterator, Sequence

from fewshot_fer.config.schema import DatasetConfig
from fewshot_fer.data.adapters.registry import find_adapter
from fewshot_fer.data.load import Source, load_dataset
from fewshot_fer.system.errors import NotThereError, UserError
from fewshot_fer.system.progress import tqdm

log = logging.getLogger("fewshot_fer")


def found_sets(source: Source, names: Sequence[str]) -> list[str]:
    """Return which data sets, by the names of their adapters, are found, and say so.

    Nothing is decoded. One that lies there and cannot be read is left out, with a warning.
    """
    found = []
    for name in tqdm(names, desc="looking for data sets", leave=False, disable=None):
        if _is_left_undrawn(source, name):
            continue
        try:
            with _quiet():  # what there is to say is said where the set is used
                load_dataset(DatasetConfig(adapter=name), source)
        except NotThereError:
            continue
        except UserError as error:
            log.warning("%s is left out: %s", name, error)
            continue
        found.append(name)
    log.info("data sets in %s: %s", source.folder, ", ".join(found) or "none")
    return found


def _is_left_undrawn(source: Source, name: str) -> bool:
    """Return whether a data set is drawn only where it is used, or named, and is not named: what an
    earlier command drew in the same folder is no reason to find it."""
    drawn = find_adapter(name).write is not None
    return source.demo and drawn and name not in source.drawing.layouts


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)
