"""A card to fill in for a file of weights without one: what the file shows, what is missing."""

from dataclasses import dataclass
from pathlib import Path

import torch

from fewshot_fer.config.model_schema import BackboneConfig
from fewshot_fer.models.backbones.card import ONNX
from fewshot_fer.models.backbones.onnx_file import graph_shapes
from fewshot_fer.models.backbones.registry import SIDE, build_encoder
from fewshot_fer.models.backbones.weights import read_weights
from fewshot_fer.system.files import write_text

CANDIDATES = (
    *("resnet18", "resnet34", "resnet50", "resnet101", "mobilenet_v2", "efficientnet_b0"),
    *("convnext_tiny", "vit_b_16", "resnet12", "conv4", "face_expression"),
)
MISSING = {
    "architecture": "the network that the weights are of: a backbone.name, such as timm/resnet50",
    "source": "whose weights they are, and where they came from",
    "licence": "under which they may be used; unknown is an answer",
    "trained_on": "the data set; unnamed is an answer",
    "image_size": "pixels a side",
    "mean": "of red, green and blue in 0..1, as [0.5, 0.5, 0.5]",
    "std": "the same",
}


@dataclass(frozen=True)
class Template:
    """file: the card's place; found: lines on what the weights show; known: key -> value in it."""

    file: Path
    found: list[str]
    known: dict[str, str]

    @property
    def missing(self) -> list[str]:
        """The keys that a person must fill in."""
        return [key for key in MISSING if key not in self.known]

    def text(self) -> str:
        """Return the card in YAML: what is missing is empty, with what it means beside it."""
        lines = [f"# {line}" for line in self.found]
        lines += [f"{key}: {value}" for key, value in self.known.items()]
        lines += [f"{key}:  # {MISSING[key]}" for key in self.missing]
        optional = "pretrained: unknown  # or faces, expressions, imagenet, captions"
        return "\n".join([*lines, optional, "channels: rgb  # or bgr", ""])


def card_template(settings: BackboneConfig) -> Template | None:
    """Return a template for the file that the settings name, None where it has a card, or is none.

    Raises ConfigError where the file cannot be read.
    """
    file = Path(settings.weights).expanduser()
    card = file.with_suffix(".yaml")
    if settings.name not in ("file", "onnx") or not file.is_file() or card.exists():
        return None
    found, known = _of_graph(file) if file.suffix == ONNX else _of_weights(file)
    return Template(card, found, known)


def write_template(template: Template) -> str:
    """Write the card and return what was found and what is missing, as text. Raises WriteError."""
    write_text(template.file, template.text())
    missing = [f"  {key}: {MISSING[key]}" for key in template.missing]
    return "\n".join([*template.found, f"written: {template.file}, to be filled in:", *missing])


def _of_weights(file: Path) -> tuple[list[str], dict[str, str]]:
    state = read_weights(file)
    shapes = {name: value.shape for name, value in state.items()}
    found = [f"{file.name} holds {len(state)} tensors, {_count(state)} numbers in all"]
    for name in CANDIDATES:
        with torch.device("meta"):
            encoder = build_encoder(BackboneConfig(name, image_size=SIDE), fast=False)
        own = {key.removeprefix("network."): v.shape for key, v in encoder.state_dict().items()}
        own = {key: shape for key, shape in own.items() if not key.endswith("num_batches_tracked")}
        if all(shapes.get(key) == shape for key, shape in own.items()):
            left = [key for key in shapes if key not in own and not key.endswith("_tracked")]
            over = f"; left out: {', '.join(left[:4])}" if left else ""
            return [*found, f"they fit {name}{over}"], {"architecture": name}
    first = ", ".join(f"{key} {tuple(shape)}" for key, shape in list(shapes.items())[:3])
    return [*found, f"they fit none of {', '.join(CANDIDATES)}; the first are {first}"], {}


def _of_graph(file: Path) -> tuple[list[str], dict[str, str]]:
    images, outputs = graph_shapes(file)
    found = [f"{file.name} takes images {list(images)} and gives {', '.join(outputs)}"]
    last = images[-1] == 3
    side = images[1] if last else images[-1]
    known = {"architecture": "onnx", "layout": "nhwc" if last else "nchw"}
    known |= {"image_size": str(side)} if isinstance(side, int) else {}
    return found, known | ({"output": outputs[0]} if len(outputs) > 1 else {})


def _count(state: dict[str, torch.Tensor]) -> str:
    return f"{sum(value.numel() for value in state.values()):,}"
