"""The two jobs from start to end: settings in, a run's folder out."""

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fewshot_fer.audit.quick import quick_audit
from fewshot_fer.casting import Cast, cast_tests, cast_training, save_drawn
from fewshot_fer.checkpoints import Checkpoint, load_checkpoint
from fewshot_fer.comparing_methods import compare_methods, methods_text, other_methods
from fewshot_fer.config import PathsConfig, TestVerb, TrainVerb
from fewshot_fer.data.bad_images import skipping, warned_bad_images, write_bad_images
from fewshot_fer.data.load import find_source
from fewshot_fer.device import DTYPES, prepare_device
from fewshot_fer.drawing import Drawing
from fewshot_fer.errors import UserError
from fewshot_fer.event_files import EventFiles, require_tensorboard
from fewshot_fer.experiment import TrainingRun
from fewshot_fer.kept_encoder import keep_encoder, with_kept_encoder
from fewshot_fer.method_choice import require_named_parts, require_parts
from fewshot_fer.method_settings import check_run_answers
from fewshot_fer.models import build_encoder, with_image_size
from fewshot_fer.parts import EpisodicPart, Part, load_part
from fewshot_fer.plots import plot_curves
from fewshot_fer.provenance import choices, provenance
from fewshot_fer.resuming import (
    Progress,
    clear_partials,
    clear_the_end,
    last_progress,
    restored,
    settings_to_resume,
    stopped_at,
    telling_how_to_go_on,
)
from fewshot_fer.roles import load_images
from fewshot_fer.run_settings import read_run_settings
from fewshot_fer.runs import RunFolder, fingerprint
from fewshot_fer.screen import results_table
from fewshot_fer.signals import ended_by_signals
from fewshot_fer.sweeps.threads import threads_of_a_job
from fewshot_fer.testing import run_tests
from fewshot_fer.trained import build_evaluation, known_training_side


def resume_session(asked: TrainVerb, overrides: list[str]) -> None:
    """Go on with the run that `resume=` names. Raises UserError where that cannot be."""
    settings, path = settings_to_resume(asked, overrides)
    # Those of this command are of its own; what the run took, its last checkpoint says, if any.
    train_anywhere(settings, path, resumed=True, taken={})


def train_anywhere(settings: TrainVerb, path: Path, resumed: bool, taken: dict[str, str]) -> None:
    """Train in this process, or in several where `trainer.devices` asks for that.

    resumed: whether the folder may hold a run to go on with; taken: the files of conf/ that the
    settings came from, as far as that is known.
    """
    if settings.trainer.devices > 1:
        from fewshot_fer.rank_launch import train_in_ranks

        train_in_ranks(settings, path, resumed, taken)
        return
    with ended_by_signals(lambda: stopped_at(path)):
        train_session(settings, path, last_progress(path) if resumed else None, taken)


def train_session(
    settings: TrainVerb,
    path: Path,
    reached: tuple[Checkpoint, Progress] | None,
    taken: dict[str, str],
) -> RunFolder:
    """Train, validate, test, and write the run's folder. Raises UserError before it writes.

    reached: where a run that was stopped stands; taken: as in `train_anywhere`.
    """
    started = time.perf_counter()
    threads = threads_of_a_job(settings.threads)
    device = prepare_device(settings.device, settings.seed, settings.precision, threads)
    settings = replace(settings, backbone=with_image_size(settings.backbone))
    if settings.logger == "tensorboard":
        require_tensorboard()
    source = find_source(settings.paths, settings.demo, skipping(settings, settings))
    cast = cast_training(settings, source)
    names = cast.training.pool.class_names
    require_named_parts(settings.method, names)
    require_parts(settings.method, names, [cast.validation, *cast.tests])
    encoder = build_encoder(settings.backbone).to(device, DTYPES[settings.precision])
    begun = (path / "config.yaml").is_file()
    folder = RunFolder(path, {"trained_on_test": cast.trained_on_test})
    folder.write_config(asdict(settings))  # from here on it can be resumed
    clear_partials(path)
    write_bad_images(path, source)
    try:
        parts = _load_parts(cast, settings.backbone.side, device)
    except UserError:
        folder.withdraw()
        raise
    keep_encoder(settings.backbone, path)
    only_in = path if begun else None  # a stranger's run may name any file
    save_drawn([cast.validation, *cast.tests], settings.episodes, settings.seed, only_in)
    found = quick_audit([cast.training, cast.validation, *cast.tests])
    folder.stamps["warnings"] = ";".join([*found, *warned_bad_images(source)])
    if settings.logger == "tensorboard":
        folder.events = EventFiles(path)
    with telling_how_to_go_on(path):
        clear_the_end(folder, reached[1] if reached else None)
        taken = _learn_and_test(settings, folder, parts, encoder, reached, taken)
        facts = {"seed": settings.seed, "choices": taken}
        _finish(folder, asdict(settings), facts, device, started)
    return folder


@dataclass(frozen=True)
class Parts:
    """The roles of a training run with their images."""

    training: EpisodicPart
    validation: Part
    tests: list[Part]


def _load_parts(cast: Cast, image_size: int, device: torch.device) -> Parts:
    images = load_images(cast.training.table, image_size, device)
    validation, *tests = (
        load_part(role, image_size, device) for role in (cast.validation, *cast.tests)
    )
    return Parts(EpisodicPart(cast.training, images), validation, tests)


def _learn_and_test(
    settings: TrainVerb,
    folder: RunFolder,
    parts: Parts,
    encoder: nn.Module,
    reached: tuple[Checkpoint, Progress] | None,
    taken: dict[str, str],
) -> dict[str, str]:
    """Write everything between the configuration and the summary; return the files of conf/ that
    the run, begun earlier or now, was composed of."""
    run = TrainingRun(settings, folder, parts.training, parts.validation, encoder)
    if reached is not None:
        with restored(folder.folder):
            run.restore(*reached)
        taken = reached[1].choices
    run.fit(taken)
    run.add_supports()
    device, path = run.learning.device, folder.folder
    if parts.tests:
        checkpoint = load_checkpoint(path / f"{settings.train.tested}.pt", device)
        answering = build_evaluation(settings, checkpoint, device)
        run_tests(folder, *answering, parts.tests, settings.seed, checkpoint.epoch)
    chances = (1 / parts.training.role.n_way, 1 / parts.validation.role.n_way)
    if run.metrics:
        plot_curves(path / "metrics.csv", chances, path / "curves.png")
    return taken


def test_session(settings: TestVerb, path: Path, drawing: Drawing | None) -> RunFolder:
    """Score a trained run and write a folder that names it. Raises UserError before it writes.

    drawing: a process that draws the pictures meanwhile; without it they are drawn here.
    """
    started = time.perf_counter()
    tested = Path(settings.run).expanduser()
    trained = read_run_settings(tested)
    check_run_answers(settings, trained)
    seed = trained.seed if settings.seed is None else settings.seed
    device = prepare_device(settings.device, seed, threads=threads_of_a_job(settings.threads))
    paths = _paths(settings.paths, trained.paths)
    source = find_source(paths, trained.demo, skipping(settings, trained))
    which = settings.checkpoint or trained.train.tested
    checkpoint = load_checkpoint(tested / f"{which}.pt", device)
    keep_in = tested / "embeddings" if settings.keep_embeddings else None
    as_kept, where = with_kept_encoder(trained, tested), str(tested / f"{which}.pt")
    answering = build_evaluation(as_kept, checkpoint, device, where, keep_in)
    cast = cast_tests(settings, trained, source)
    if not settings.methods:
        require_parts(trained.method, checkpoint.class_names, cast.tests)
    parts = [load_part(test, trained.backbone.side, device) for test in cast.tests]
    save_drawn(cast.tests, settings.episodes, seed)
    folder = RunFolder(path, {"trained_on_test": cast.trained_on_test})
    if drawing is not None:
        folder.draw = drawing.draw
    folder.write_config(asdict(settings))
    clear_the_end(folder, None)
    write_bad_images(path, source)
    folder.stamps["warnings"] = ";".join([*cast.warnings, *warned_bad_images(source)])
    if settings.methods:
        embedder, own = answering
        side = known_training_side(checkpoint, str(tested / f"{which}.pt"))
        others = other_methods(settings.methods, own, side, trained.method)
        table = compare_methods(folder, embedder, [own, *others], parts, seed, checkpoint.epoch)
        print(f"\n{methods_text(table)}")
    else:
        run_tests(folder, *answering, parts, seed, checkpoint.epoch)
    facts: dict[str, Any] = {"seed": seed, "run": str(tested.resolve()), "checkpoint": which}
    facts["choices"] = choices()
    facts["run_fingerprint"] = fingerprint(asdict(trained))
    if drawing is not None:
        drawing.finish()
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
