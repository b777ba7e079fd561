"""Export a trained run as one ONNX file that is checked against torch and says how to use it."""

import contextlib
import io
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fewshot_fer import __version__
from fewshot_fer.config.verb_settings import ExportVerb
from fewshot_fer.data.decode import decode
from fewshot_fer.inference.classifier import FaceClassifier
from fewshot_fer.inference.enrol import read_support
from fewshot_fer.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from fewshot_fer.runs.starter import choose_run
from fewshot_fer.system.errors import ConfigError, DataError, RunError, UserError, needing_extra
from fewshot_fer.system.files import atomic, writing

OPSET = 18  # read by onnxruntime 1.14 (2023) and later
INPUT, OUTPUT = "images", "probabilities"
COUNTS = (1, 2, 7)  # batch sizes of the check; the model is traced with another one
MOST_PICTURES = 16  # real ones that the file is checked with
MOST_DIFFERENCE = 1e-4


def export_session(settings: ExportVerb, show: Callable[[str], None]) -> Path:
    """Write the file, show how far it is from torch, and return it. Raises UserError before."""
    require_onnx()
    run = choose_run(settings, torch.device("cpu"))
    if run.settings.backbone.name == "onnx":
        raise ConfigError(
            f"the encoder of {run.folder} is an ONNX file already: run that, and compare its "
            f"features with a support as predict does"
        )
    support = run.support
    if settings.support is not None:
        support = read_support(Path(settings.support).expanduser(), run)
    classifier = FaceClassifier(run, support)
    name = settings.checkpoint or run.settings.train.tested
    usual = Path(f"{run.folder}.onnx") if run.is_starter else run.folder / f"{name}.onnx"
    out = Path(settings.out).expanduser() if settings.out else usual
    pictures = _pictures(support.paths, run.image_size)
    model = ExportedModel(classifier).float()
    difference = write_onnx(out, model, pictures, _metadata(classifier, name))
    show("\n".join([f"classes: {', '.join(classifier.class_names)}", *classifier.remarks()]))
    checked = f"noise and {len(pictures)} pictures of the support" if len(pictures) else "noise"
    show(f"largest difference of a probability from torch: {difference:.2g}, on {checked}")
    show(f"written to {out}, opset {OPSET}, {out.stat().st_size / 1e6:.1f} MB")
    return out


def require_onnx() -> None:
    """Raise ConfigError with the line to type where the extra is missing.

    From 1.29 on onnxruntime sends its maker the names and digests of models, unless it is told not
    to before it is imported.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    with needing_extra("onnx", "exporting"):
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401


class ExportedModel(nn.Module):
    """Images uint8 [N, S, S, 3], RGB, as Pillow and NumPy hold them -> probabilities [N, C]."""

    def __init__(self, classifier: FaceClassifier) -> None:
        super().__init__()
        self.encoder = classifier.run.embedder.encoder
        self.normalisation = classifier.run.embedder.normalisation
        self.head = classifier.head
        self.temperature = classifier.temperature
        # Not `mean`: constants that the exporter folds are named by their operation.
        self.channel_mean = nn.Buffer(torch.tensor(IMAGENET_MEAN).view(3, 1, 1))
        self.channel_std = nn.Buffer(torch.tensor(IMAGENET_STD).view(3, 1, 1))
        self.method = classifier.method.logits
        self.prototypes = nn.Buffer(classifier.prototypes)

    def forward(self, images: Tensor) -> Tensor:
        """Return float32 probabilities [N, C], calibrated as `predict` gives them."""
        pixels = images.permute(0, 3, 1, 2).float()
        embeddings = self.encoder((pixels / 255 - self.channel_mean) / self.channel_std)
        embeddings = self.normalisation(embeddings)
        return torch.softmax(self._logits(embeddings) / self.temperature, dim=1)

    def _logits(self, embeddings: Tensor) -> Tensor:
        if self.head is not None:
            logits: Tensor = self.head(embeddings)
            return logits
        return self.method(self.prototypes[None, :, None], embeddings[None])[0]


def write_onnx(
    path: Path, model: ExportedModel, pictures: Tensor, metadata: dict[str, Any]
) -> float:
    """Write the model, check it against torch, and return the largest difference of probabilities.

    The check takes noise in several batch sizes and `pictures`, uint8 [N, S, S, 3], N may be 0.
    `path` appears once the file has passed, or stays what it was. Raises RunError where the two
    differ by more than 1e-4, torch cannot put the model into ONNX, or the file cannot be written.
    """
    side = pictures.shape[1]
    batches = [example_images(side, count, seed=count) for count in COUNTS]
    batches += [pictures] if len(pictures) else []
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with atomic(path) as partial:
            _export(partial, model, side)
            _describe(partial, metadata)
            difference = largest_difference(model, _running(partial), batches)
            if not difference <= MOST_DIFFERENCE:
                raise RunError(
                    f"{path} is not written: its probabilities differ from torch's by "
                    f"{difference:.2g}, more than {MOST_DIFFERENCE:g}"
                )
    except UserError:
        raise
    except Exception as error:  # torch, onnx and onnxruntime have no one class for their failures
        raise RunError(
            f"{path} is not written: this encoder or method cannot be put into ONNX "
            f"({_root_reason(error)})"
        ) from error
    return difference


def example_images(side: int, count: int, seed: int) -> Tensor:
    """Return uint8 images [count, side, side, 3]: noise at several scales, as faces have."""
    random = torch.Generator().manual_seed(seed)
    total = torch.zeros(count, 3, side, side)
    for cells in (2, 6, 20):
        noise = torch.rand(count, 3, cells, cells, generator=random) * 255 / 3
        total += nn.functional.interpolate(noise, size=(side, side), mode="bilinear")
    return total.permute(0, 2, 3, 1).to(torch.uint8).contiguous()


def largest_difference(
    model: nn.Module, other: Callable[[Tensor], Tensor], batches: Iterable[Tensor]
) -> float:
    """Return the largest difference between two models' probabilities over batches of images."""
    with torch.inference_mode():
        return max(float((model(images) - other(images)).abs().max()) for images in batches)


def _export(path: Path, model: ExportedModel, side: int) -> None:
    """Trace the model with a batch of 3; torch's own remarks on the way are not the user's."""
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.eval(),
            (example_images(side, 3, seed=0),),
            str(path),
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset_version=OPSET,
            dynamic_shapes=({0: torch.export.Dim("n")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _describe(path: Path, metadata: dict[str, Any]) -> None:
    """Put text under names into the file; what is no text as JSON."""
    import onnx

    content = onnx.load(path)
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in metadata.items()}
    onnx.helper.set_model_props(content, texts)
    onnx.checker.check_model(content)
    onnx.save(content, path)


def _running(path: Path) -> Callable[[Tensor], Tensor]:
    """Return the file as onnxruntime runs it, from images to probabilities."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run([OUTPUT], {INPUT: images.numpy()})[0])


def _root_reason(error: BaseException) -> str:
    """Return the first line of what went wrong at the root of a chain of errors."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _metadata(classifier: FaceClassifier, checkpoint: str) -> dict[str, Any]:
    """Return what a user of the file must know of it."""
    run, names = classifier.run, classifier.class_names
    side = run.image_size
    return {
        "labels": list(names),
        "image_size": side,
        "input": f"{INPUT}: uint8 [N, {side}, {side}, 3], RGB, a face in each",
        "output": f"{OUTPUT}: float32 [N, {len(names)}], in the order of labels",
        "temperature": classifier.temperature,
        "calibrated": classifier.is_calibrated,
        "answered_by": classifier.decided_by,
        "run": run.folder.resolve().name,
        "checkpoint": checkpoint,
        "weights": run.weights,
        "version": f"fewshot_fer {__version__}",
    }


def _pictures(paths: tuple[str, ...], side: int) -> Tensor:
    """Return pictures of all classes that are still there, uint8 [N, side, side, 3]."""
    found: list[Tensor] = []
    for path in paths[:: max(1, len(paths) // MOST_PICTURES)][:MOST_PICTURES]:
        try:
            found.append(torch.from_numpy(np.moveaxis(decode(path, side), 0, 2).copy()))
        except DataError:
            continue  # a run may outlive its pictures
    return torch.stack(found) if found else torch.zeros(0, side, side, 3, dtype=torch.uint8)
