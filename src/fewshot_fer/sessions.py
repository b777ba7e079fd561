"""The two jobs from start to end: settings in, a run's folder out."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from fewshot_fer.audit.quick import quick_audit
from fewshot_fer.casting import cast_tests, cast_training, save_drawn
from fewshot_fer.checkpoints import Checkpoint, load_checkpoint
from fewshot_fer.config import PathsConfig, TestVerb, TrainVerb
from fewshot_fer.data.load import find_source
from fewshot_fer.device import DTYPES, prepare_device
from fewshot_fer.event_files import EventFiles
from fewshot_fer.experiment import TrainingRun, run_tests
from fewshot_fer.models import build_encoder
from fewshot_fer.parts import EpisodicPart, load_part
from fewshot_fer.plots import plot_curves
from fewshot_fer.provenance import choices, provenance
from fewshot_fer.resuming import Progress, clear_the_end, last_progress, settings_to_resume
from fewshot_fer.roles import load_images
from fewshot_fer.run_settings import read_run_settings
from fewshot_fer.runs import RunFolder, fingerprint
from fewshot_fer.screen import results_table
from fewshot_fer.trained import build_evaluation


def resume_session(asked: TrainVerb, overrides: list[str]) -> RunFolder:
    """Go on with the run that `resume=` names. Raises UserError where that cannot be."""
    settings, path = settings_to_resume(asked, overrides)
    return train_session(settings, path, last_progress(path))


def train_session(
    settings: TrainVerb, path: Path, reached: tuple[Checkpoint, Progress] | None = None
) -> RunFolder:
    """Train, validate, test, and write the run's folder. Raises UserError before it writes.

    reached: where a run that was stopped stands.
    """
    started = time.perf_counter()
    device = prepare_device(settings.device, settings.seed, settings.precision, settings.threads)
    source = find_source(settings.paths, settings.demo)
    cast = cast_training(settings, source)
    encoder = build_encoder(settings.backbone).to(device, DTYPES[settings.precision])
    size = settings.backbone.image_size
    training = EpisodicPart(cast.training, load_images(cast.training.table, size, device))
    validation = load_part(cast.validation, size, device)
    tests = [load_part(test, size, device) for test in cast.tests]
    save_drawn([cast.validation, *cast.tests], settings.episodes, settings.seed)
    found = quick_audit([cast.training, cast.validation, *cast.tests])
    stamps = {"trained_on_test": cast.trained_on_test, "warnings": ";".join(found)}
    folder = RunFolder(path, stamps)
    if settings.logger == "tensorboard":
        folder.events = EventFiles(path)
    folder.write_config(asdict(settings))
    clear_the_end(folder, reached[1] if reached else None)
    run = TrainingRun(settings, folder, training, validation, encoder)
    taken = choices()
    if reached is not None:
        run.restore(*reached)
        taken = reached[1].choices
    run.fit(taken)
    run.add_supports()
    if tests:
        checkpoint = load_checkpoint(path / f"{settings.train.tested}.pt", device)
        answering = build_evaluation(settings, checkpoint, device)
        run_tests(folder, *answering, tests, settings.seed, checkpoint.epoch)
    chances = (1 / training.role.n_way, 1 / validation.role.n_way)
    if run.metrics:
        plot_curves(path / "metrics.csv", chances, path / "curves.png")
    facts = {"seed": settings.seed, "choices": taken}
    _finish(folder, asdict(settings), facts, device, started)
    return folder


def test_session(settings: TestVerb, path: Path) -> RunFolder:
    """Score a trained run and write a folder that names it. Raises UserError before it writes."""
    started = time.perf_counter()
    tested = Path(settings.run).expanduser()
    trained = read_run_settings(tested)
    seed = trained.seed if settings.seed is None else settings.seed
    device = prepare_device(settings.device, seed, threads=settings.threads)
    source = find_source(_paths(settings.paths, trained.paths), trained.demo)
    which = settings.checkpoint or trained.train.tested
    checkpoint = load_checkpoint(tested / f"{which}.pt", device)
    keep_in = tested / "embeddings" if settings.keep_embeddings else None
    answering = build_evaluation(trained, checkpoint, device, str(tested / f"{which}.pt"), keep_in)
    cast = cast_tests(settings, trained, source)
    parts = [load_part(test, trained.backbone.image_size, device) for test in cast.tests]
    save_drawn(cast.tests, settings.episodes, seed)
    folder = RunFolder(path, {"trained_on_test": cast.trained_on_test})
    folder.write_config(asdict(settings))
    clear_the_end(folder, None)
    run_tests(folder, *answering, parts, seed, checkpoint.epoch)
    facts: dict[str, Any] = {"seed": seed, "run": str(tested.resolve()), "checkpoint": which}
    facts["choices"] = choices()
    facts["run_fingerprint"] = fingerprint(asdict(trained))
    _finish(folder, asdict(settings), facts, device, started)
    return folder


def _paths(asked: PathsConfig, trained: PathsConfig) -> PathsConfig:
    """Return the paths of a test: those of the command line or, without any, those of the run."""
    if asked.demo is None and asked.data is None:
        return trained
    return asked


def _finish(
    folder: RunFolder,
    config: dict[str, Any],
    facts: dict[str, Any],
    device: torch.device,
    started: float,
) -> None:
    seconds = round(time.perf_counter() - started, 1)
    summary = {"fingerprint": fingerprint(config), **facts, "seconds": seconds}
    folder.write_summary(summary | provenance(device))
    print(f"\n{results_table(folder.results)}\n\n{seconds:.0f} s, written to {folder.folder}")
