"""What the data of a run hold: written beside its tables, and compared when it goes on.

data.json  for each table (`dataset`, `eval.dataset`, `test.NAME.dataset`) its images, and digests
           of names and pictures; for each file that decides figures (`backbone.weights`) a digest
Digests do not depend on where the data lie, nor on times, so a run may go on with moved data.
"""

import contextlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pandas as pd

from fewshot_fer.config.model_schema import NAMED_WEIGHTS
from fewshot_fer.config.names import plugin_files
from fewshot_fer.config.schema import (
    DatasetConfig,
    EpisodesConfig,
    EvalConfig,
    PathsConfig,
    TestVerb,
    TrainVerb,
)
from fewshot_fer.data.fingerprint import file_digests, pictures_digest, table_identity
from fewshot_fer.data.load import Source, find_source, load_dataset, skipping
from fewshot_fer.runs.config_file import read_run_settings
from fewshot_fer.system.errors import DataError, RunError, UserError
from fewshot_fer.system.files import Row, write_text

FILE = "data.json"
FREE = ("backbone.weights", "plugins")  # a checkpoint has the weights; code may be mended
Record = dict[str, Row]
Verb = TypeVar("Verb", TrainVerb, TestVerb)
log = logging.getLogger("fewshot_fer")


def with_absolute_paths(settings: Verb) -> Verb:
    """Return the settings with absolute paths of data, so that they hold in any working folder."""
    data, load = _absolute(settings.paths.data), _absolute(settings.episodes.load)
    placed = replace(
        settings,
        paths=replace(settings.paths, data=data),
        episodes=replace(settings.episodes, load=load),
        test={name: _placed(test) for name, test in settings.test.items()},
    )
    if not isinstance(placed, TrainVerb):
        return placed
    weights = placed.backbone.weights
    if weights not in NAMED_WEIGHTS:
        weights = str(_absolute(weights))
    return replace(
        placed,
        dataset=_placed_dataset(placed.dataset),
        eval=_placed(placed.eval),
        backbone=replace(placed.backbone, weights=weights),
        train=replace(placed.train, teacher=_absolute(placed.train.teacher)),
    )


def record_of_training(settings: TrainVerb, source: Source) -> Record:
    """Return what the data of a training run hold."""
    weights = settings.backbone.weights
    file = Path(weights).expanduser()
    files = [] if weights in NAMED_WEIGHTS else [file, file.with_suffix(".yaml")]
    evaluations = {"eval": settings.eval} | _named(settings.test)
    return {
        **_tables({"dataset": settings.dataset}, evaluations, source),
        **_files({"backbone.weights": files, "train.teacher": _teacher(settings)}),
        **_files({"episodes.load": _loaded(settings.episodes), "plugins": plugin_files()}),
    }


def record_of_test(settings: TestVerb, trained: TrainVerb, source: Source) -> Record:
    """Return what the data of a test hold, the training set and the checkpoint among them."""
    which = settings.checkpoint or trained.train.tested
    checkpoint = Path(settings.run).expanduser() / f"{which}.pt"
    return {
        **_tables({"dataset": trained.dataset}, _named(settings.test), source),
        **_files({"run": [checkpoint]}),
        **_files({"episodes.load": _loaded(settings.episodes), "plugins": plugin_files()}),
    }


def paths_of_test(settings: TestVerb, trained: TrainVerb) -> PathsConfig:
    """Return the paths that a test names or, without any, those of the run."""
    given = settings.paths.demo is not None or settings.paths.data is not None
    return settings.paths if given else trained.paths


def read_record(folder: Path) -> Record | None:
    """Return the data.json of a run or a test, None where there is none or it is damaged."""
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or not all(isinstance(one, dict) for one in content.values()):
        return None
    return content


def write_record(folder: Path, record: Record) -> None:
    """Write data.json. Raises WriteError."""
    write_text(folder / FILE, json.dumps(record, indent=2) + "\n")


def changes(before: Record, now: Record) -> list[str]:
    """Return a few words on each table or file that both records hold, and that is not the same."""
    both = [key for key in before if key in now and before[key] != now[key]]
    return [f"{key}, {_change(before[key], now[key])}" for key in both]


def require_same_data(folder: Path, record: Record) -> None:
    """Raise RunError where a run in this folder was begun with other data than the record's."""
    known = read_record(folder)
    if known is None:
        if (folder / "last.pt").exists():
            log.warning(
                "%s has no %s, as earlier versions wrote none: whether these are the images that "
                "it was begun with is not checked",
                *(folder, FILE),
            )
        return
    needed = {key: value for key, value in known.items() if key not in FREE}
    if changed := changes(needed, record):
        raise RunError(
            f"{folder} was begun with other data than are found now: {'; '.join(changed)}. Name "
            f"the place of the same data with paths.data= (or dataset.root=, eval.dataset.file= "
            f"and the like), or begin a new run"
        )


def changed_since(settings: TrainVerb | TestVerb, folder: Path) -> str:
    """Return what changed in the data of a finished job of a sweep, "" for nothing.

    What is not at hand any more did not change.
    """
    known = read_record(folder)
    if known is None:
        return ""
    with contextlib.suppress(UserError):
        if isinstance(settings, TrainVerb):
            settings = read_run_settings(folder)
            source = find_source(settings.paths, settings.demo, skipping(settings, settings))
            return "; ".join(changes(known, record_of_training(settings, source)))
        trained = read_run_settings(Path(settings.run).expanduser())
        paths = paths_of_test(settings, trained)
        source = find_source(paths, trained.demo, skipping(settings, trained))
        return "; ".join(changes(known, record_of_test(settings, trained, source)))
    return ""


def _tables(
    training: Mapping[str, DatasetConfig], evaluations: Mapping[str, EvalConfig], source: Source
) -> Record:
    """Return the identity of every table that is at hand."""
    wanted = dict(training)
    for name, settings in evaluations.items():
        wanted[f"{name}.dataset"] = settings.dataset
        if settings.kind == "fixed" and settings.support_split is not None:
            own = replace(settings.dataset, split=settings.support_split)
            wanted[f"{name}.support_split"] = own
    found = {}
    for key, dataset in wanted.items():
        with contextlib.suppress(DataError):
            found[key] = _identity(load_dataset(dataset, source), dataset)
    return found


def _identity(table: pd.DataFrame, dataset: DatasetConfig) -> Row:
    """Return the identity of a table; of a union, wherever each of its sets lies."""
    if not dataset.sets:
        return table_identity(table)
    own = [table_identity(rows) for _, rows in table.groupby("dataset", sort=False)]
    joined = {key: " ".join(str(each[key]) for each in own) for key in ("names", "pictures")}
    return {"images": len(table), **joined}


def _files(wanted: Mapping[str, Sequence[Path]]) -> Record:
    """Return the digest of the files behind every setting, of those that are there."""
    found = {}
    for key, files in wanted.items():
        if there := [str(file) for file in files if file.is_file()]:
            found[key] = {"file": pictures_digest(file_digests(there))}
    return found


def _teacher(settings: TrainVerb) -> list[Path]:
    run = settings.train.teacher
    return [] if run is None else [Path(run).expanduser() / name for name in ("best.pt", "last.pt")]


def _loaded(episodes: EpisodesConfig) -> list[Path]:
    return [] if episodes.load is None else [Path(episodes.load).expanduser()]


def _named(tests: Mapping[str, EvalConfig]) -> dict[str, EvalConfig]:
    return {f"test.{name}": test for name, test in tests.items()}


def _change(before: Row, now: Row) -> str:
    if "file" in now:
        return "another file"
    if before.get("images") != now["images"]:
        return f"{before.get('images')} images then, {now['images']} now"
    if before.get("names") != now["names"]:
        return "other names, labels, splits or groups"
    return "other pictures under the same names"


def _placed(settings: EvalConfig) -> EvalConfig:
    return replace(settings, dataset=_placed_dataset(settings.dataset))


def _placed_dataset(dataset: DatasetConfig) -> DatasetConfig:
    return replace(dataset, root=_absolute(dataset.root), file=_absolute(dataset.file))


def _absolute(path: str | None) -> str | None:
    return None if path is None else str(Path(path).expanduser().absolute())
