"""Tests that a training run left out since they could not be run: bad_tests.csv.

A column names the test, one says why, and one what its data held, "" where they were not at hand:
once they hold something else, or are there at last, a sweep runs the tests of the job again.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from fewshot_fer.config.schema import DatasetConfig, TrainVerb
from fewshot_fer.data.fingerprint import table_identity
from fewshot_fer.data.load import Source, find_source, load_dataset, skipping
from fewshot_fer.runs.config_file import read_run_settings
from fewshot_fer.runs.read import read_rows, require
from fewshot_fer.system.errors import UserError
from fewshot_fer.system.files import write_text

FILE = "bad_tests.csv"
COLUMNS = ("test", "reason", "data")


def write_bad_tests(
    folder: Path, bad: Mapping[str, str], settings: TrainVerb, source: Source
) -> None:
    """Write bad_tests.csv, test to reason; without any there is no such file."""
    if not bad:
        (folder / FILE).unlink(missing_ok=True)
        return
    rows = [(name, why, _data(settings.test[name].dataset, source)) for name, why in bad.items()]
    write_text(folder / FILE, pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(index=False))


def read_bad_tests(folder: Path) -> dict[str, str]:
    """Return test -> reason, nothing where none was left out. Raises RunError."""
    file = folder / FILE
    rows = require(read_rows, file, COLUMNS) if file.is_file() else []
    return {row["test"]: row["reason"] for row in rows}


def can_mend_tests(folder: Path) -> bool:
    """Return whether a run left tests out whose data hold something else now, or are there now."""
    file = folder / FILE
    if not file.is_file():
        return False
    known = {row["test"]: row["data"] for row in require(read_rows, file, COLUMNS)}
    settings = read_run_settings(folder)
    source = find_source(settings.paths, settings.demo, skipping(settings, settings))
    tests = settings.test
    return any(_data(tests[n].dataset, source) != known[n] for n in known if n in tests)


def _data(dataset: DatasetConfig, source: Source) -> str:
    """Return what a data set holds as one text, "" where it cannot be read."""
    try:
        identity = table_identity(load_dataset(dataset, source))
    except UserError:
        return ""
    return " ".join(map(str, identity.values()))
