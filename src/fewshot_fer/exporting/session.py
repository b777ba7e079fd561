"""An export from start to end: a run in, one file out."""

from pathlib import Path

from fewshot_fer import __version__
from fewshot_fer.exporting.onnx_file import INPUT, OPSET, OUTPUT, require_onnx, write_onnx
from fewshot_fer.exporting.onnx_model import ExportedModel
from fewshot_fer.exporting.settings import ExportVerb
from fewshot_fer.prediction.answering import Answering
from fewshot_fer.prediction.enrolment import read_support
from fewshot_fer.trained import load_trained


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
    metadata = {
        "labels": list(answering.class_names),
        "image_size": run.image_size,
        "input": f"{INPUT}: uint8 [N, {run.image_size}, {run.image_size}, 3], RGB, a face in each",
        "output": f"{OUTPUT}: float32 [N, {len(answering.class_names)}], in the order of labels",
        "temperature": answering.temperature,
        "answered_by": "prototypes" if answering.head is None else "classifier",
        "run": run.folder.name,
        "checkpoint": name,
        "weights": run.weights,
        "version": f"fewshot_fer {__version__}",
    }
    difference = write_onnx(out, ExportedModel(answering).float(), run.image_size, metadata)
    print(f"classes: {', '.join(answering.class_names)}")
    print(f"largest difference of a probability from torch: {difference:.2g} (opset {OPSET})")
    print(f"written to {out}, {out.stat().st_size / 1e6:.1f} MB")
