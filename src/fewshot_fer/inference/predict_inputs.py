"""Run a prediction from start to end: settings and files in, tables and pictures out."""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fewshot_fer import __version__
from fewshot_fer.config.hydra import threads_per_job
from fewshot_fer.config.quoting import pasteable
from fewshot_fer.config.verb_settings import PredictVerb
from fewshot_fer.data.faces.detector import FaceDetector, load_detector
from fewshot_fer.evaluation.support import (
    SupportSet,
    picture_rows,
    save_support_set,
    support_of_names,
    with_priors,
)
from fewshot_fer.evaluation.support_calibration import Rejection, measure_rejection
from fewshot_fer.inference.classifier import FaceClassifier
from fewshot_fer.inference.crops import NO_FACE, Cropper
from fewshot_fer.inference.enrol import (
    Enrolment,
    largest_faces,
    resolve_support,
    warn_of_support_pictures,
)
from fewshot_fer.inference.inputs import Inputs, find_inputs, printable
from fewshot_fer.inference.pipeline import Pipeline
from fewshot_fer.inference.refine import refinement
from fewshot_fer.inference.support_review import SupportReview, left_out_row, review_support
from fewshot_fer.inference.tables import Tables
from fewshot_fer.inference.writer import PredictionWriter
from fewshot_fer.runs.load import LoadedRun
from fewshot_fer.runs.starter import choose_run
from fewshot_fer.system.device import prepare_device
from fewshot_fer.system.errors import ConfigError, DataError, NoFaceError
from fewshot_fer.system.files import writing

log = logging.getLogger("fewshot_fer")


def predict_inputs(
    settings: PredictVerb, inputs: Inputs, folder: Path, show: Callable[[str], None]
) -> None:
    """Classify every face of the inputs and write the tables. Raises UserError before it writes.

    show: takes the text for the screen.
    """
    device = prepare_device(settings.device, 0, threads=threads_per_job(None))
    run = choose_run(settings, device, settings.classes)
    detector = _detector(settings, inputs, device)
    enrolment = find_support(settings, run, detector)
    if settings.enrol is not None:
        _store(enrolment.support, Path(settings.enrol).expanduser())
    review = None if settings.support is None else _review(run, enrolment)
    if not inputs:
        return
    warn_of_support_pictures(inputs.pictures, enrolment.support)
    rejection = rejection_for(settings.reject, enrolment.support, run)
    threshold = None if rejection is None else rejection.threshold
    cropper = Cropper(run.image_size, detector if settings.align else None)
    neutral = embed_neutral(settings.neutral, run, cropper)
    classifier = FaceClassifier(run, enrolment.support, threshold, settings.neighbours, neutral)
    pipeline = Pipeline(cropper, classifier, inputs, settings.fps)
    refining, faces = refinement(settings.refine, classifier), None
    if refining is not None:
        faces = pipeline.embedded()
        refining = refining if refining.has_others(len(faces.places)) else None
    facts = _facts(settings, classifier, rejection)
    if refining is not None:
        facts |= {"answered_by": refining.by, "temperature": 1.0, "calibrated": False}
        facts["refine"] = refining.by
    if review is not None:
        review.write(folder)
    with Tables(folder, classifier.class_names, facts) as tables:
        writer = PredictionWriter(tables, refining or classifier, enrolment.crops, settings)
        with contextlib.closing(writer):
            pipeline.write(writer, (refining, faces) if refining and faces else None)
    show(writer.screen(settings.json))


def find_support(settings: PredictVerb, run: LoadedRun, detector: FaceDetector | None) -> Enrolment:
    """Return the run's own support, a stored one, or one made from a folder of classes; with the
    classes that are known by their names only."""
    if settings.support is None and settings.run is None:
        return Enrolment(run.support, {})
    if settings.support is None and settings.classes:
        return Enrolment(support_of_names(settings.classes, run.priors, run.weights), {})
    cropper = Cropper(run.image_size, detector if settings.support_is_aligned else None)
    enrolment = resolve_support(settings.support, run, cropper, bool(settings.classes))
    if not settings.classes:
        return enrolment
    return replace(enrolment, support=with_priors(enrolment.support, run.priors, settings.classes))


def embed_neutral(named: list[str], run: LoadedRun, cropper: Cropper) -> Tensor | None:
    """Return embeddings [n, D] of a person's neutral face in pictures, None without any.

    Raises DataError for a picture that cannot be read or has no face.
    """
    if not named:
        return None
    inputs = find_inputs(named, "neutral")
    if inputs.videos:
        raise DataError(f"neutral={inputs.videos[0]} is a video: give pictures of a neutral face")
    pixels = []
    for crop in largest_faces(inputs.pictures, cropper, "neutral="):
        if crop.pixels is None:
            raise NoFaceError(f"neutral={crop.source.name}: no face found: take another picture")
        pixels.append(crop.pixels)
    return run.embedder.embed_pixels(np.stack(pixels))


def _detector(settings: PredictVerb, inputs: Inputs, device: torch.device) -> FaceDetector | None:
    """Return a detector if faces are to be found in the inputs or in the support's pictures."""
    folder = settings.support is not None and Path(settings.support).expanduser().is_dir()
    if not (settings.align and len(inputs)) and not (settings.support_is_aligned and folder):
        return None
    try:
        return load_detector(device)
    except ConfigError as error:
        keys = {"align": settings.align, "align_support": settings.align_support}
        given = " ".join(f"{key}=false" for key, wanted in keys.items() if wanted)
        raise ConfigError(
            f"{error}; where the pictures are crops of faces already, give {given}"
        ) from error


def _store(support: SupportSet, file: Path) -> None:
    if file.is_dir():
        raise ConfigError(
            f"enrol={file} is a folder: name a file, {pasteable('enrol', file / 'faces.pt')}"
        )
    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    save_support_set(file, support)
    pictures = support.labels[picture_rows(support)]
    counts = torch.bincount(pictures, minlength=len(support.class_names)).tolist()
    classes = ", ".join(
        f"{name} {count}" for name, count in zip(support.class_names, counts, strict=True)
    )
    log.info("enrolled %s: give %s with this run to use them", classes, pasteable("support", file))


def _review(run: LoadedRun, enrolment: Enrolment) -> SupportReview:
    """Return what is odd about a support, and say it."""
    rows = [
        left_out_row(printable(path), name, NO_FACE, enrolment.reasons.get(path, ""))
        for path, name in enrolment.left_out.items()
    ]
    classifier = FaceClassifier(run, enrolment.support)
    review = review_support(classifier, enrolment.reasons, rows)
    for line in review.lines():
        log.warning("support: %s", line)
    return review


def rejection_for(rate: float | None, support: SupportSet, run: LoadedRun) -> Rejection | None:
    """Return where "none of these" begins for a support, None where no face can be that."""
    if rate is None:
        return None
    of_training = run.shares_pictures(support) and set(support.class_names) <= set(run.class_names)
    return measure_rejection(rate, support, run.calibration.unknown_faces, of_training)


def _facts(
    settings: PredictVerb, classifier: FaceClassifier, rejection: Rejection | None
) -> dict[str, Any]:
    """Return what predictions.json says of the run, the support and the rejection."""
    run = classifier.run
    return {
        "version": __version__,
        "run": str(run.folder),
        "checkpoint": None if run.is_starter else settings.checkpoint or run.settings.train.tested,
        "weights": run.weights,
        "support": settings.support,
        "classes": settings.classes,
        "neutral": settings.neutral,
        "answered_by": classifier.decided_by,
        "class_names": list(classifier.class_names),
        "temperature": classifier.temperature,
        "calibrated": classifier.is_calibrated,
        "reject": None if rejection is None else rejection.facts(),
        "align": settings.align,
        "refine": None,
    }
