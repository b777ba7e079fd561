"""An export from start to end: a run in, one file out."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fewshot_fer import __version__
from fewshot_fer.data.decode import decode
from fewshot_fer.errors import DataError
from fewshot_fer.exporting.onnx_file import INPUT, OPSET, OUTPUT, require_onnx, write_onnx
from fewshot_fer.exporting.onnx_model import ExportedModel
from fewshot_fer.exporting.settings import ExportVerb
from fewshot_fer.prediction.answering import Answering
from fewshot_fer.prediction.enrolment import read_support
from fewshot_fer.trained import load_trained

MOST_PICTURES = 16  # real ones that the file is checked with


def export_session(settings: ExportVerb) -> None:
    """Write the file and say how far it is from torch. Raises UserError before it writes."""
    require_onnx()
    run = load_trained(Path(settings.run).expanduser(), settings.checkpoint)
    support = run.support
    if settings.support is not None:
        support = read_support(Path(settings.support).expanduser(), run)
    answering = Answering(run, support)
    name = settings.checkpoint or run.settings.train.tested
    out = Path(settings.out).expanduser() if settings.out else run.folder / f"{name}.onnx"
    pictures = _pictures(support.paths, run.image_size)
    difference = write_onnx(
        out, ExportedModel(answering).float(), pictures, _metadata(answering, name)
    )
    print(f"classes: {', '.join(answering.class_names)}")
    print("".join(f"{remark}\n" for remark in answering.remarks()), end="")
    checked = f"noise and {len(pictures)} pictures of the support" if len(pictures) else "noise"
    print(f"largest difference of a probability from torch: {difference:.2g}, on {checked}")
    print(f"written to {out}, opset {OPSET}, {out.stat().st_size / 1e6:.1f} MB")


def _metadata(answering: Answering, checkpoint: str) -> dict[str, Any]:
    """Return what a user of the file must know of it."""
    run, names = answering.run, answering.class_names
    side = run.image_size
    return {
        "labels": list(names),
        "image_size": side,
        "input": f"{INPUT}: uint8 [N, {side}, {side}, 3], RGB, a face in each",
        "output": f"{OUTPUT}: float32 [N, {len(names)}], in the order of labels",
        "temperature": answering.temperature,
        "calibrated": answering.is_calibrated,
        "answered_by": answering.answered_by,
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
