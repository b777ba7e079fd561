"""The model as an ONNX file, with what its user must know in its metadata, and checked."""

import contextlib
import io
import json
import logging
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fewshot_fer.errors import ConfigError, RunError, UserError
from fewshot_fer.exporting.onnx_model import ExportedModel, example_images, largest_difference

OPSET = 18  # read by onnxruntime 1.14 (2023) and later
INPUT, OUTPUT = "images", "probabilities"
COUNTS = (1, 2, 7)  # batch sizes of the check; the model is traced with another one
MOST_DIFFERENCE = 1e-4


def require_onnx() -> None:
    """Raise ConfigError with the line to type where the extra is missing.

    From 1.29 on onnxruntime sends its maker the names and digests of models, unless it is told not
    to before it is imported.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"exporting takes the extra 'onnx' ({error}): pip install 'fewshot_fer[onnx]'"
        ) from error


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
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _export(partial, model, side)
        _describe(partial, metadata)
        difference = largest_difference(model, _running(partial), batches)
        if not difference <= MOST_DIFFERENCE:
            raise RunError(
                f"{path} is not written: its probabilities differ from torch's by "
                f"{difference:.2g}, more than {MOST_DIFFERENCE:g}"
            )
        partial.replace(path)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror or error}") from error
    except UserError:
        raise
    except Exception as error:  # torch, onnx and onnxruntime have no one class for their failures
        raise RunError(
            f"{path} is not written: this encoder or method cannot be put into ONNX "
            f"({_reason(error)})"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return difference


def _reason(error: BaseException) -> str:
    """Return the first line of what went wrong at the root of a chain of errors."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _export(path: Path, model: ExportedModel, side: int) -> None:
    """Trace the model with a batch of 3; torch's own remarks on the way are not the user's."""
    dimensions = ({0: torch.export.Dim("n")},)
    said = io.StringIO()
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(said):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.eval(),
            (example_images(side, 3, seed=0),),
            str(path),
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset_version=OPSET,
            dynamic_shapes=dimensions,
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

    def run(images: Tensor) -> Tensor:
        return torch.from_numpy(session.run([OUTPUT], {INPUT: images.numpy()})[0])

    return run
