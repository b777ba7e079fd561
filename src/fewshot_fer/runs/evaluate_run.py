"""Tests of a finished run: of its own method, or of several methods on the same episodes."""

import logging
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.config.hydra import Job, threads_per_job
from fewshot_fer.config.schema import TestVerb, fingerprint
from fewshot_fer.data.available import with_available
from fewshot_fer.data.load import find_source, skipping
from fewshot_fer.episodes.setup import save_drawn, setup_tests
from fewshot_fer.evaluation.choose_method import (
    other_methods,
    require_neutral_faces,
    require_parts,
)
from fewshot_fer.evaluation.embedder import FewShotModel
from fewshot_fer.evaluation.embedding_shards import embed_shard
from fewshot_fer.evaluation.metrics import NORMAL_95
from fewshot_fer.evaluation.results import EvaluationResult
from fewshot_fer.evaluation.tasks import EpisodicTask, Task, load_tasks
from fewshot_fer.models.methods.method import Method
from fewshot_fer.models.methods.registry import check_comparison, check_run_tests
from fewshot_fer.runs.checkpoint import load_checkpoint
from fewshot_fer.runs.config_file import kept_card, read_run_settings, with_kept_encoder
from fewshot_fer.runs.data_record import (
    Record,
    changes,
    paths_of_test,
    read_record,
    record_of_test,
    with_absolute_paths,
    write_record,
)
from fewshot_fer.runs.evaluation_tables import add_evaluation
from fewshot_fer.runs.folder import RunFolder, finish_run
from fewshot_fer.runs.load import load_model, stored_statistics
from fewshot_fer.runs.resume import rewind_tables
from fewshot_fer.runs.teacher_facts import read_teacher, stamp_teacher
from fewshot_fer.system.device import is_out_of_memory, prepare_device
from fewshot_fer.system.errors import ConfigError
from fewshot_fer.system.files import Row, write_text
from fewshot_fer.system.text import percent, text_table

log = logging.getLogger("fewshot_fer")
METHOD_COLUMNS = (
    *("protocol", "method", "uses", "accuracy", "ci95_low", "ci95_high"),
    *("gain", "gain_low", "gain_high", "episodes", "seconds"),
)
"""Of methods.csv. gain: of accuracy over the run's own method, episode by episode, with its 95 %
interval; what both find hard does not widen it."""


def evaluate_run(settings: TestVerb, path: Path, job: Job) -> RunFolder:
    """Test a finished run and write a folder that names it. Raises UserError before it writes.

    With `shard=` embeddings are made that a test will need, and nothing else. job: what is known of
    the command, which the folder's summary and the sweep's record name.
    """
    started = time.perf_counter()
    check_comparison(settings.methods)
    run = Path(settings.run).expanduser()
    trained = read_run_settings(run)
    check_run_tests(settings, trained)
    if path.resolve() == run.resolve():
        raise ConfigError(f"hydra.run.dir={path} is the run that is tested: name another folder")
    seed = trained.seed if settings.seed is None else settings.seed
    device = prepare_device(settings.device, seed, threads=threads_per_job(settings.threads))
    settings = with_absolute_paths(settings)
    source = find_source(
        paths_of_test(settings, trained), trained.demo, skipping(settings, trained)
    )
    settings = with_available(settings, source)
    which = settings.checkpoint or trained.train.tested
    where = str(run / f"{which}.pt")
    checkpoint = load_checkpoint(run / f"{which}.pt", device)
    keep_in = run / "embeddings" if settings.keep_embeddings else None
    model = load_model(with_kept_encoder(trained, run), checkpoint, device, where, keep_in)
    setup = setup_tests(settings, trained, source)
    if not settings.methods:
        require_parts(trained.method, checkpoint.class_names, setup.tests)
    relative = (settings.neutral or trained.method.neutral) == "subject"
    if relative:
        require_neutral_faces(setup.tests)
    tasks = load_tasks(setup.tests, trained.backbone.side, device, relative)
    record = record_of_test(settings, trained, source)
    if settings.shard is not None:
        count = embed_shard(model.embedder, tasks, seed, settings.shard, settings.shards)
        print(f"shard {settings.shard} of {settings.shards}: {count} images embedded in {keep_in}")
        if job.in_sweep:  # which embeds again where the data change
            write_record(path, record)
        return RunFolder(path)
    save_drawn(setup.tests, settings.episodes, seed)
    stamps = {"trained_on_test": setup.trained_on_test}
    folder = RunFolder(path, {**stamps, "pretrained": kept_card(trained, run).pretrained})
    stamp_teacher(folder, read_teacher(run))
    folder.write_config(asdict(settings))
    rewind_tables(folder, None)
    write_record(path, record)
    source.skipping.write(path)
    folder.warnings = _changed_training(run, record)
    side = stored_statistics(checkpoint, where) if settings.methods else None
    others = other_methods(settings.methods, model, side, trained.method)
    run_tests(folder, model, tasks, seed, others)
    facts: Row = {"seed": seed, "run": str(run.resolve()), "checkpoint": which}
    facts |= {"choices": job.choices, "run_fingerprint": fingerprint(asdict(trained))}
    finish_run(folder, asdict(settings), facts, device, started)
    return folder


def _changed_training(run: Path, record: Record) -> list[str]:
    """Return a stamp, and warn, where the training images are not those that were trained on."""
    known = {key: value for key, value in (read_record(run) or {}).items() if key == "dataset"}
    found = changes(known, record)
    if not found:
        return []
    log.warning(
        "the training set changed since %s was trained (%s): overlap with what it was trained on "
        "cannot be checked",
        *(run, found[0]),
    )
    return ["training_changed"]


def run_tests(
    folder: RunFolder,
    model: FewShotModel,
    tests: Sequence[Task],
    seed: int,
    others: Sequence[Method] = (),
) -> None:
    """Evaluate a model on every test; each result reaches the disk as it is there.

    others: methods to compare on the same episodes, in a table that is printed.
    """
    if others:
        print(f"\n{methods_text(compare_methods(folder, model, others, tests, seed))}")
        return
    for test in tests:
        add_evaluation(folder, test.evaluate(model, seed))


def compare_methods(
    folder: RunFolder,
    model: FewShotModel,
    others: Sequence[Method],
    tasks: Sequence[Task],
    seed: int,
) -> pd.DataFrame:
    """Score the model's method and the others on the same episodes of every task.

    Rows reach results.csv as they are made and methods.csv at the end, which is returned; confusion
    and recalls are of the model's own method alone. A method that cannot score a task (no support,
    and no parts of its classes) is left out there.
    """
    rows, seen = list[Row](), ""
    for task in tasks:
        assert isinstance(task, EpisodicTask)  # `check_test` refuses a fixed support
        if model.views is not None and task.images.fingerprint != seen:
            model.views.release()
            seen = task.images.fingerprint
        reference: NDArray[np.float64] | None = None
        for method in [model.method, *others]:
            if not _can_score(method, task):
                continue
            started = time.perf_counter()
            is_own = method is model.method
            result = _evaluated(task, model, method, seed)
            if result is None:
                continue
            seconds = time.perf_counter() - started
            add_evaluation(folder, result, with_confusion=is_own)
            assert result.each is not None
            reference = result.each if reference is None else reference
            headline = result.rows[0] | {"seconds": round(seconds, 2)}
            rows.append(_method_row(headline, result.each - reference))
    table = pd.DataFrame(rows, columns=list(METHOD_COLUMNS))
    write_text(folder.folder / "methods.csv", table.to_csv(index=False, float_format="%.6g"))
    return table


def methods_text(table: pd.DataFrame) -> str:
    """Return the table for people: a block a protocol, accuracies and gains in percent."""
    blocks = []
    for protocol, block in table.groupby("protocol", sort=False):
        first, *others = block.to_dict("records")
        heading = f"{protocol}, {first['episodes']} episodes, the same for all"
        rows = [_method_cells(first, "gains are over this one")]
        for row in others:
            gain, low, high = (100 * row[name] for name in ("gain", "gain_low", "gain_high"))
            rows.append(_method_cells(row, f"{gain:+5.1f} ({low:+.1f} to {high:+.1f})"))
        blocks.append(f"{heading}\n{text_table(rows, left=(0, 2, 4))}")
    return "\n\n".join(blocks)


def _evaluated(
    task: EpisodicTask, model: FewShotModel, method: Method, seed: int
) -> EvaluationResult | None:
    """Return the result of a method, None where memory is too small for what it works on."""
    try:
        return task.evaluate(model.with_method(method), seed, votes=method is model.method)
    except (RuntimeError, MemoryError) as error:
        if method is model.method or not is_out_of_memory(error):
            raise
        log.warning(
            "%s: %s is left out, memory is too small for the %s of so many images: take a smaller "
            "test, or name other methods",
            *(task.protocol.title, method.name, method.on),
        )
        return None


def _can_score(method: Method, task: EpisodicTask) -> bool:
    """Return whether a method has what a task needs: a support, or parts of its classes; beside a
    classifier both."""
    shot = task.protocol.shape.k_shot
    known = method.head or (None if shot else method.priors)
    if known is None or (method.head and not shot):
        return shot > 0
    try:
        known.require(task.protocol.pool.class_names, task.protocol.title)
    except ConfigError:
        return False
    return True


def _method_row(headline: Row, gains: NDArray[np.float64]) -> Row:
    """Return the row of methods.csv of a headline of results.csv; gains [E]: of each episode."""
    half = NORMAL_95 * float(gains.std(ddof=1)) / float(np.sqrt(len(gains)))
    mean = float(gains.mean())
    known = {name: headline[name] for name in METHOD_COLUMNS if name in headline}
    return {**known, "gain": mean, "gain_low": mean - half, "gain_high": mean + half}


def _method_cells(row: Mapping[Hashable, Any], gain: str) -> tuple[str, ...]:
    uses = f"knows {row['uses']}" if row["uses"] else ""
    return f"  {row['method']}", percent(row["accuracy"]), gain, f"{row['seconds']:.1f} s", uses
