"""An encoder of any framework as an ONNX file with a card: its features, which stay as they are.

onnxruntime runs it (the extra `onnx`). The graph is part of the encoder's state, so a run's
checkpoint holds it, and the file itself is needed no more.
"""

import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fewshot_fer.config.model_schema import BackboneConfig
from fewshot_fer.models.backbones.card import Card
from fewshot_fer.models.backbones.from_file import encoder_file, file_card
from fewshot_fer.models.backbones.registry import BuildOptions, register_backbone
from fewshot_fer.models.preprocessing import Encoder
from fewshot_fer.system.errors import ConfigError, needing_extra

ANY = "any"  # size of a dimension that a graph leaves open
ERRORS_ONLY = 3  # of onnxruntime's severities


@register_backbone("onnx", file_card)
def build_from_onnx(settings: BackboneConfig, options: BuildOptions) -> nn.Module:
    """Return the encoder in an ONNX file, with the graph of the file unless a checkpoint follows.

    Raises ConfigError where the file, its card or onnxruntime cannot be had, or do not fit.
    """
    with_weights = options.weights != "none"
    file = encoder_file(settings.weights, with_weights)
    card = file_card(settings, with_weights)
    network = OnnxEncoder(card.output)
    if with_weights:
        network.set_extra_state(_checked_graph(file, card))
    return Encoder(network, card.expected)


class OnnxEncoder(nn.Module):
    """Runs a graph from images to features; nothing in it learns.

    output: the name of the graph's output that holds the features, None for its only one.
    """

    def __init__(self, output: str | None) -> None:
        super().__init__()
        self.output = output
        self.graph = torch.zeros(0, dtype=torch.uint8)
        self.session: Any = None
        self.place = nn.Parameter(torch.zeros(0), requires_grad=False)  # its device and dtype

    def get_extra_state(self) -> Tensor:
        """Return the graph as bytes, for a checkpoint."""
        return self.graph

    def set_extra_state(self, state: Tensor) -> None:
        """Take a graph. Raises RuntimeError where it is none, as loading weights does."""
        self.graph = state.cpu()
        self.session = _session(self.graph.numpy().tobytes())

    def __deepcopy__(self, _memo: dict[int, object]) -> "OnnxEncoder":
        """Return an encoder with the same session, which keeps nothing between runs."""
        other = OnnxEncoder(self.output).to(self.place.device, self.place.dtype)
        other.graph, other.session = self.graph, self.session
        return other

    def forward(self, images: Tensor) -> Tensor:
        """Return features [B, D] of images as the card has them; one by one, or so many at a time,
        where the graph takes no other number."""
        given = self.session.get_inputs()[0]
        names = [self.output] if self.output else [self.session.get_outputs()[0].name]
        size = given.shape[0] if isinstance(given.shape[0], int) else len(images)
        pixels = images.detach().float().cpu().numpy()
        made = []
        for start in range(0, len(pixels), size):
            part = pixels[start : start + size]
            padded = part if len(part) == size else np.resize(part, (size, *part.shape[1:]))
            made.append(self.session.run(names, {given.name: padded})[0][: len(part)])
        features = np.concatenate(made)
        return torch.from_numpy(features.reshape(len(features), -1)).to(images)


def _session(graph: bytes) -> Any:  # noqa: ANN401
    """Return onnxruntime's session, on the CPU with as many threads as the run has."""
    runtime = _onnx("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no one class for what it meets in a graph
        raise RuntimeError(" ".join(str(error).split())[:200]) from error


def graph_shapes(file: Path) -> tuple[tuple[int | str, ...], list[str]]:
    """Return the shape of the images that a graph takes, `any` where it says no number, and the
    names of its outputs. Raises ConfigError where it is no graph of images."""
    model = _read_graph(file)
    return _images_shape(file, model), [each.name for each in model.graph.output]


def _checked_graph(file: Path, card: Card) -> Tensor:
    """Return the graph of a file as bytes. Raises ConfigError where it is not as its card says."""
    model = _read_graph(file)
    _require_images(file, card, _images_shape(file, model))
    outputs = [each.name for each in model.graph.output]
    if card.output not in outputs and (card.output is not None or len(outputs) > 1):
        raise ConfigError(
            f"{file.with_suffix('.yaml')}: output: name the one with the features: "
            f"{', '.join(outputs)}"
        )
    graph = torch.frombuffer(bytearray(model.SerializeToString()), dtype=torch.uint8)
    try:
        _session(graph.numpy().tobytes())
    except RuntimeError as error:
        raise ConfigError(f"backbone.weights={file}: onnxruntime refuses it: {error}") from error
    return graph


def _read_graph(file: Path) -> Any:  # noqa: ANN401
    """Return the model in a file, its inputs without the weights that some exporters list."""
    onnx = _onnx("onnx")
    try:
        model = onnx.load(str(file))
    except Exception as error:  # protobuf and onnx have no one class for a strange file
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"backbone.weights={file} cannot be read as ONNX: {reason}") from error
    # Old exporters list weights among the inputs, and quantisers leave those that none takes.
    stored = {each.name for each in model.graph.initializer}
    taken = {name for node in model.graph.node for name in node.input} - stored
    images = [each for each in model.graph.input if each.name in taken]
    del model.graph.input[:]
    model.graph.input.extend(images)
    model.ir_version = max(model.ir_version, 4)  # from which on weights need not be inputs
    return model


def _images_shape(file: Path, model: Any) -> tuple[int | str, ...]:  # noqa: ANN401
    inputs = list(model.graph.input)
    shapes = [[each.dim_value or ANY for each in one.type.tensor_type.shape.dim] for one in inputs]
    if len(inputs) != 1 or len(shapes[0]) != 4:
        names = ", ".join(each.name for each in inputs[:3]) or "none"
        raise ConfigError(
            f"backbone.weights={file}: expected one input, images of four dimensions; found {names}"
        )
    return tuple(shapes[0])


def _require_images(file: Path, card: Card, shape: tuple[int | str, ...]) -> None:
    """Raise ConfigError where a graph takes other images than its card says."""
    side, last = card.expected.image_size, card.expected.channels_last
    expected = (side, side, 3) if last else (3, side, side)
    fits = (found in (ANY, wanted) for found, wanted in zip(shape[1:], expected, strict=True))
    if not all(fits):
        shown = " x ".join(map(str, shape))
        raise ConfigError(
            f"backbone.weights={file} takes images of {shown}, and its card says image_size: "
            f"{side}, layout: {'nhwc' if last else 'nchw'}"
        )


def _onnx(module: str) -> Any:  # noqa: ANN401
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # it sends names of models to its maker
    with needing_extra("onnx", "backbone=onnx"):
        return importlib.import_module(module)
