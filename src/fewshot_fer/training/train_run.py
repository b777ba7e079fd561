"""A training run from start to end: settings in, a finished run's folder out."""

import logging
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import nn

from fewshot_fer.config.hydra import threads_per_job
from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.data.available import with_available
from fewshot_fer.data.load import Source, find_source, skipping
from fewshot_fer.episodes.setup import (
    BAD_TEST,
    TrainingSetup,
    class_names_of,
    save_drawn,
    setup_training,
)
from fewshot_fer.evaluation.choose_method import (
    other_methods,
    require_neutral_faces,
    require_parts,
)
from fewshot_fer.evaluation.tasks import EpisodicTask, Task, load_tasks
from fewshot_fer.models import build_encoder, with_image_size
from fewshot_fer.models.backbones.open_clip_towers import FAMILY
from fewshot_fer.models.backbones.registry import encoder_card
from fewshot_fer.models.backbones.stage_weights import require_named_weights
from fewshot_fer.models.methods.text import TEXT, text_tower
from fewshot_fer.models.network import map_sizes
from fewshot_fer.runs.bad_tests import write_bad_tests
from fewshot_fer.runs.checkpoint import Checkpoint, load_checkpoint
from fewshot_fer.runs.config_file import keep_card, kept_card, with_kept_encoder
from fewshot_fer.runs.data_record import (
    Record,
    read_record,
    record_of_training,
    require_same_data,
    with_absolute_paths,
    write_record,
)
from fewshot_fer.runs.evaluate_run import run_tests
from fewshot_fer.runs.folder import RunFolder, finish_run
from fewshot_fer.runs.load import load_model, stored_statistics
from fewshot_fer.runs.plots import EventFiles, plot_curves, require_tensorboard
from fewshot_fer.runs.resume import (
    Progress,
    clear_partials,
    naming_resume_command,
    restored,
    rewind_tables,
)
from fewshot_fer.runs.teacher_facts import keep_teacher, teacher_facts
from fewshot_fer.system.device import DTYPES, prepare_device
from fewshot_fer.system.errors import ConfigError, UserError
from fewshot_fer.system.screen import shown
from fewshot_fer.training.compounds import require_compounds
from fewshot_fer.training.loop import TrainingRun
from fewshot_fer.training.snapshot import complete_checkpoints
from fewshot_fer.training.teacher import load_teacher

log = logging.getLogger("fewshot_fer")


def train_run(
    settings: TrainVerb,
    path: Path,
    reached: tuple[Checkpoint, Progress] | None,
    choices: dict[str, str],
) -> RunFolder:
    """Train, validate, test, and write the run's folder. Raises UserError before it writes.

    reached: where a stopped run stands, None for a new one; choices: the files of conf/ that the
    settings came from, as far as they are known.
    """
    started = time.perf_counter()
    threads = threads_per_job(settings.threads)
    device = prepare_device(settings.device, settings.seed, settings.precision, threads)
    settings = with_absolute_paths(settings)
    if reached is None:
        settings = replace(settings, backbone=with_image_size(settings.backbone))
    source = find_source(settings.paths, settings.demo, skipping(settings, settings))
    settings = with_available(settings, source)
    _say_paper(settings)
    setup = _checked_setup(settings, source)
    record = _record(settings, source, setup)
    require_same_data(path, record)
    taught = teacher_facts(settings.train.teacher, record)
    teacher = load_teacher(settings, setup.training.pool.class_names, device)
    # A checkpoint holds all weights, and the run's folder the card of an encoder from a file.
    kept = settings if reached is None else with_kept_encoder(settings, path)
    encoder = build_encoder(kept.backbone, with_weights=reached is None, fast=settings.fast)
    _require_learning(settings, encoder)
    folder, tasks = _open_folder(settings, path, setup, source, device)
    with naming_resume_command(path):
        write_record(path, (read_record(path) or {}) | _record(settings, source, setup))
        write_bad_tests(path, setup.bad_tests or {}, settings, source)
        if reached is None:
            keep_card(settings.backbone, path)
        folder.stamps["pretrained"] = kept_card(settings, path).pretrained
        keep_teacher(folder, taught)
        rewind_tables(folder, reached[1] if reached else None)
        encoder = encoder.to(device, DTYPES[settings.precision])
        with shown("preparing to train"):  # an optimiser imports more of torch
            run = TrainingRun(kept, folder, tasks.training, tasks.validation, encoder)
        run.choices, run.trainer.teacher = choices, teacher
        if reached is not None:
            with restored(path):
                run.restore(*reached)
        run.fit()
        with shown("testing"):
            complete_checkpoints(kept, path, tasks.training, tasks.validation, device)
            _test(kept, folder, tasks, device)
        facts = {"seed": settings.seed, "choices": run.choices, "tables": _tables(setup)}
        finish_run(folder, asdict(settings), facts, device, started)
    return folder


def _say_paper(settings: TrainVerb) -> None:
    """Print what differs from the paper that a run follows; warn of an encoder that began less."""
    paper, known = settings.paper, encoder_card(settings.backbone).pretrained
    for line in paper.lines():
        print(line, flush=True)
    if paper.title and known != paper.pretrained:
        log.warning(
            "the paper's encoder began with pretrained=%s, this one with %s: its figures are no "
            "match; give such weights with backbone= and backbone.weights=/path/to/the/file",
            *(paper.pretrained, known),
        )


def _require_learning(settings: TrainVerb, encoder: nn.Module) -> None:
    """Raise ConfigError where an encoder that gives features alone is to be trained or to give the
    maps that the method compares, or lacks the stages that settings name."""
    if settings.train.epochs and not any(each.requires_grad for each in encoder.parameters()):
        raise ConfigError(
            f"backbone={settings.backbone.name} gives features and learns nothing: take "
            f"train=frozen"
        )
    map_sizes(settings.method.name, encoder, settings.backbone.side)
    if settings.method.name == TEXT:
        text_tower(encoder)
        if settings.backbone.weights == "none" and settings.backbone.name.startswith(FAMILY):
            raise ConfigError(
                "backbone.weights=none: method=text takes what a text tower has learnt: give "
                "backbone.weights=/path/open_clip_model.safetensors"
            )
    require_named_weights(encoder, settings.backbone.name, settings.train)


def _checked_setup(settings: TrainVerb, source: Source) -> TrainingSetup:
    """Return the protocols of a run. Raises UserError where they, or the method, cannot work."""
    if settings.logger == "tensorboard":
        require_tensorboard()
    setup = setup_training(settings, source)
    names = setup.training.pool.class_names
    require_compounds(settings, names)
    for protocol in setup.evaluations:
        try:
            require_parts(settings.method, names, [protocol])
            if settings.method.neutral == "subject":
                require_neutral_faces([protocol])
        except BAD_TEST as error:
            setup.leave_out(protocol, error)
    return setup


def _record(settings: TrainVerb, source: Source, setup: TrainingSetup) -> Record:
    """Return what the data of a run hold, but of tests that it leaves out."""
    bad = tuple(f"test.{name}." for name in setup.bad_tests or ())
    record = record_of_training(settings, source)
    return {key: value for key, value in record.items() if not key.startswith(bad)}


def _tables(setup: TrainingSetup) -> dict[str, dict[str, list[str]]]:
    """Return the data sets and the classes of the training set, `dataset`, and of each test."""
    named = {f"test.{name}": protocol for name, protocol in setup.tests.items()}
    return {
        name: {
            "sets": sorted(set(protocol.table["dataset"])),
            "classes": list(class_names_of(protocol)),
        }
        for name, protocol in {"dataset": setup.training, **named}.items()
    }


@dataclass(frozen=True)
class RunTasks:
    """The tasks of a training run: its protocols with their images."""

    training: EpisodicTask
    validation: Task
    tests: list[Task]


def _open_folder(
    settings: TrainVerb, path: Path, setup: TrainingSetup, source: Source, device: torch.device
) -> tuple[RunFolder, RunTasks]:
    """Write all that is known before training into the run's folder, and decode the images."""
    begun = (path / "config.yaml").is_file()
    folder = RunFolder(path, {"trained_on_test": setup.trained_on_test})
    folder.write_config(asdict(settings))  # from here on it can be resumed
    clear_partials(path)
    source.skipping.write(path)
    try:
        tasks = _load_tasks(setup, settings, device)
    except UserError:
        folder.withdraw()
        raise
    folder.stamps["pretrained"] = keep_card(settings.backbone, path).pretrained
    only_in = path if begun else None  # a stranger's run may name any file
    save_drawn(setup.evaluations, settings.episodes, settings.seed, only_in)
    if settings.logger == "tensorboard":
        folder.events = EventFiles(path)
    return folder, tasks


def _load_tasks(setup: TrainingSetup, settings: TrainVerb, device: torch.device) -> RunTasks:
    side, relative = settings.backbone.side, settings.method.neutral == "subject"
    if setup.bad_tests is None:
        protocols = [setup.training, *setup.evaluations]
        training, validation, *tests = load_tasks(protocols, side, device, relative)
    else:
        protocols = [setup.training, setup.validation]
        training, validation = load_tasks(protocols, side, device, relative)
        tests = []
        for protocol in list(setup.tests.values()):
            try:
                tests += load_tasks([protocol], side, device, relative)
            except BAD_TEST as error:
                setup.leave_out(protocol, error)
    assert isinstance(training, EpisodicTask)
    return RunTasks(training, validation, tests)


def _test(settings: TrainVerb, folder: RunFolder, tasks: RunTasks, device: torch.device) -> None:
    """Score the tests with the weights that `train.tested` names, and draw the curves."""
    path = folder.folder
    if tasks.tests:
        checkpoint = load_checkpoint(path / f"{settings.train.tested}.pt", device)
        model = load_model(settings, checkpoint, device)
        side = stored_statistics(checkpoint, str(path)) if settings.methods else None
        others = other_methods(settings.methods, model, side, settings.method)
        run_tests(folder, model, tasks.tests, settings.seed, others)
    if settings.train.epochs:
        chances = (1 / tasks.training.protocol.n_way, 1 / tasks.validation.protocol.n_way)
        plot_curves(path / "metrics.csv", chances, path / "curves.png")
