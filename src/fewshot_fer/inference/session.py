"""A prediction from start to end: settings and files in, tables and pictures out."""

import contextlib
import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from fewshot_fer import __version__
from fewshot_fer.config.hydra import threads_per_job
from fewshot_fer.config.verbs import PredictVerb
from fewshot_fer.data.faces.detector import FaceDetector, load_detector
from fewshot_fer.evaluation.support import (
    picture_rows,
    save_support_set,
    support_of_names,
    with_priors,
)
from fewshot_fer.inference.classifier import FaceClassifier, Predictions
from fewshot_fer.inference.clips import Clip
from fewshot_fer.inference.crops import Crop, Cropping
from fewshot_fer.inference.enrol import Enrolled, take_support
from fewshot_fer.inference.inputs import Inputs
from fewshot_fer.inference.tables import Row, make_rows
from fewshot_fer.inference.writer import Writing
from fewshot_fer.runs.load import LoadedRun, load_run
from fewshot_fer.system.device import prepare_device
from fewshot_fer.system.errors import ConfigError, RunError

log = logging.getLogger("fewshot_fer")


def predict_session(settings: PredictVerb, inputs: Inputs, folder: Path) -> None:
    """Answer every face of the inputs and write the tables. Raises UserError before it writes."""
    device = prepare_device(settings.device, 0, threads=threads_per_job(None))
    run = load_run(Path(settings.run).expanduser(), settings.checkpoint, device)
    detector = _detector(settings, inputs, device)
    enrolled = find_support(settings, run, detector)
    if settings.enrol is not None:
        _store(enrolled, Path(settings.enrol).expanduser())
    if not inputs:
        return
    answering = FaceClassifier(
        run, enrolled.support, _threshold(settings, run), settings.neighbours
    )
    cropping = Cropping(run.image_size, detector if settings.align else None)
    facts = _facts(settings, answering)
    with Writing(folder, answering, enrolled.crops, facts, settings) as writing:
        _answer_all(inputs, cropping, answering, writing, settings.fps)
    print(writing.screen(settings.json))


def find_support(settings: PredictVerb, run: LoadedRun, detector: FaceDetector | None) -> Enrolled:
    """Return the run's own support, a stored one, or one made from a folder of classes; with the
    classes that are known by their names only."""
    if settings.support is None and settings.classes:
        return Enrolled(support_of_names(settings.classes, run.priors, run.weights), {})
    cropping = Cropping(run.image_size, detector if settings.support_is_aligned else None)
    one_will_do = settings.reject is not None or bool(settings.classes)
    enrolled = take_support(settings.support, run, cropping, one_will_do)
    if not settings.classes:
        return enrolled
    return replace(enrolled, support=with_priors(enrolled.support, run.priors, settings.classes))


def _answer_all(
    inputs: Inputs,
    cropping: Cropping,
    answering: FaceClassifier,
    writing: Writing,
    fps: float | None,
) -> None:
    bar = tqdm(total=len(inputs), desc="predicting", unit="file", leave=False, disable=None)
    with contextlib.closing(bar):
        for crops in cropping.pictures(inputs.pictures):
            writing.add(crops, *_answered(crops, answering))
            bar.update(sum(not crop.face for crop in crops))
        for file in inputs.videos:
            blocks = cropping.video(file, fps)
            for n_frames in _answer_video(file, blocks, answering, writing):
                bar.set_postfix_str(f"{n_frames:,} frames of {file.name}")
            bar.update()


def _answer_video(
    file: Path, blocks: Iterator[list[Crop]], answering: FaceClassifier, writing: Writing
) -> Iterator[int]:
    """Answer a video; yield after each block how many frames that makes."""
    clip = Clip(file, answering.class_names)
    for crops in blocks:
        rows, answers = _answered(crops, answering)
        writing.add(crops, rows, answers, of_video=True)
        clip.add(rows)
        yield clip.frames
    writing.add_clip(clip)


def _answered(crops: list[Crop], answering: FaceClassifier) -> tuple[list[Row], Predictions | None]:
    pixels = [crop.pixels for crop in crops if crop.pixels is not None]
    answers = answering.answer(np.stack(pixels)) if pixels else None
    return make_rows(crops, answers), answers


def _detector(settings: PredictVerb, inputs: Inputs, device: torch.device) -> FaceDetector | None:
    """Return a detector if faces are to be found in the inputs or in the support's pictures."""
    folder = settings.support is not None and Path(settings.support).expanduser().is_dir()
    if not (settings.align and len(inputs)) and not (settings.support_is_aligned and folder):
        return None
    try:
        return load_detector(device)
    except ConfigError as error:
        raise ConfigError(
            f"{error}; where the pictures are crops of faces already, give align=false"
        ) from error


def _store(enrolled: Enrolled, file: Path) -> None:
    support = enrolled.support
    if file.is_dir():
        raise ConfigError(f"enrol={file} is a folder: name a file, as in enrol={file / 'faces.pt'}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_support_set(file, support)
    except OSError as error:
        raise RunError(f"enrol={file} cannot be written: {error.strerror or error}") from error
    pictures = support.labels[picture_rows(support)]
    counts = torch.bincount(pictures, minlength=len(support.class_names)).tolist()
    classes = ", ".join(
        f"{name} {count}" for name, count in zip(support.class_names, counts, strict=True)
    )
    log.info("enrolled %s: give support=%s with this run to use them", classes, file)


def _threshold(settings: PredictVerb, run: LoadedRun) -> float | None:
    return None if settings.reject is None else run.calibration.threshold(settings.reject)


def _facts(settings: PredictVerb, answering: FaceClassifier) -> dict[str, Any]:
    """Return what predictions.json says of the run, the support and the rejection."""
    run, reject = answering.run, None
    if answering.threshold is not None:
        reject = {
            "false_accept": settings.reject,
            "distance": math.sqrt(max(0.0, -answering.threshold)),
            "false_reject": run.calibration.false_reject(answering.threshold),
        }
    return {
        "version": __version__,
        "run": str(run.folder),
        "checkpoint": settings.checkpoint or run.settings.train.tested,
        "weights": run.weights,
        "support": settings.support,
        "classes": settings.classes,
        "answered_by": answering.answered_by,
        "class_names": list(answering.class_names),
        "temperature": answering.temperature,
        "calibrated": answering.is_calibrated,
        "reject": reject,
        "align": settings.align,
    }
