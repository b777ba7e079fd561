"""Tests with one state of the weights, and what of them reaches the run's folder."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fewshot_fer.config.hydra import choices, threads_per_job
from fewshot_fer.config.method_rules import check_run_answers
from fewshot_fer.config.schema import PathsConfig, TestVerb, fingerprint
from fewshot_fer.data.load import find_source, skipping, warned_bad_images, write_bad_images
from fewshot_fer.episodes.setup import save_drawn, setup_tests
from fewshot_fer.evaluation.embedder import FewShotModel
from fewshot_fer.evaluation.methods import require_parts
from fewshot_fer.evaluation.tasks import Task, load_task
from fewshot_fer.runs.checkpoint import load_checkpoint
from fewshot_fer.runs.compare_methods import compare_methods, methods_text, other_methods
from fewshot_fer.runs.config_file import (
    read_run_settings,
    with_kept_encoder,
)
from fewshot_fer.runs.folder import RunFolder, finish_run
from fewshot_fer.runs.load import load_model, stored_statistics
from fewshot_fer.runs.resume import (
    clear_the_end,
)
from fewshot_fer.runs.tables import add_evaluation
from fewshot_fer.system.device import prepare_device


def run_tests(
    folder: RunFolder,
    model: FewShotModel,
    tests: list[Task],
    seed: int,
) -> None:
    """Score every test with one state of the weights; each reaches the disk as it is done."""
    for test in tests:
        add_evaluation(folder, test.evaluate(model, seed))


def test_session(settings: TestVerb, path: Path) -> RunFolder:
    """Score a trained run and write a folder that names it. Raises UserError before it writes."""
    started = time.perf_counter()
    tested = Path(settings.run).expanduser()
    trained = read_run_settings(tested)
    check_run_answers(settings, trained)
    seed = trained.seed if settings.seed is None else settings.seed
    device = prepare_device(settings.device, seed, threads=threads_per_job(settings.threads))
    paths = _paths(settings.paths, trained.paths)
    source = find_source(paths, trained.demo, skipping(settings, trained))
    which = settings.checkpoint or trained.train.tested
    checkpoint = load_checkpoint(tested / f"{which}.pt", device)
    keep_in = tested / "embeddings" if settings.keep_embeddings else None
    as_kept, where = with_kept_encoder(trained, tested), str(tested / f"{which}.pt")
    model = load_model(as_kept, checkpoint, device, where, keep_in)
    setup = setup_tests(settings, trained, source)
    if not settings.methods:
        require_parts(trained.method, checkpoint.class_names, setup.tests)
    tasks = [load_task(test, trained.backbone.side, device) for test in setup.tests]
    save_drawn(setup.tests, settings.episodes, seed)
    folder = RunFolder(path, {"trained_on_test": setup.trained_on_test})
    folder.write_config(asdict(settings))
    clear_the_end(folder, None)
    write_bad_images(path, source)
    folder.stamps["warnings"] = ";".join([*setup.warnings, *warned_bad_images(source)])
    if settings.methods:
        side = stored_statistics(checkpoint, str(tested / f"{which}.pt"))
        others = other_methods(settings.methods, model.method, side, trained.method)
        table = compare_methods(folder, model, others, tasks, seed)
        print(f"\n{methods_text(table)}")
    else:
        run_tests(folder, model, tasks, seed)
    facts: dict[str, Any] = {"seed": seed, "run": str(tested.resolve()), "checkpoint": which}
    facts["choices"] = choices()
    facts["run_fingerprint"] = fingerprint(asdict(trained))
    finish_run(folder, asdict(settings), facts, device, started)
    return folder


def _paths(asked: PathsConfig, trained: PathsConfig) -> PathsConfig:
    """Return the paths of a test: those of the command line or, without any, those of the run."""
    if asked.demo is None and asked.data is None:
        return trained
    return asked
