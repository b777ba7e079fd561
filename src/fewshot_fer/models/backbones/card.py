"""Cards: what is known of an encoder's weights, and the images that they expect.

A file of weights, `faces.safetensors` or `faces.pth`, has its card beside it, `faces.yaml`:

    architecture: resnet18     # a backbone.name
    source: https://...        # whose weights they are, and where they came from
    licence: MIT               # under which they may be used; `unknown` is an answer
    trained_on: MS-Celeb-1M    # or `unnamed`
    pretrained: faces          # faces, expressions, imagenet or captions
    classes_known: []          # expressions that it was trained to tell apart
    image_size: 112
    mean: [0.5, 0.5, 0.5]      # of channels in 0..1, in the order of `channels`
    std: [0.5, 0.5, 0.5]
    channels: rgb              # or bgr
    layout: nchw               # or nhwc
    sha256: 9a98...            # of the file, which is then compared
    output: fc1                # of an ONNX file with several outputs, that with the features

`pretrained`, `classes_known` and those from `channels` on may be left out.
"""

import hashlib
import math
import reprlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from fewshot_fer.models.preprocessing import EncoderInput, Triple
from fewshot_fer.system.errors import ConfigError
from fewshot_fer.system.files import read_yaml_text, write_text

PRETRAINED = ("none", "imagenet", "captions", "faces", "expressions", "unknown")
"""What an encoder knew before training, as results.csv says it."""
SHAPE = ("image_size", "mean", "std", "architecture")  # without which nothing can be computed
ORIGIN = ("source", "licence", "trained_on")  # without which nobody knows what a result rests on
ONNX = ".onnx"
PACKAGED = "packaged"  # backbone.weights= for those that a Python package holds
OPTIONAL = ("pretrained", "classes_known", "channels", "layout", "sha256", "output")


@dataclass(frozen=True)
class Card:
    """What is known of an encoder's weights.

    expected: the images they were made for; architecture: a `backbone.name`; source, licence,
    trained_on: in the words of their makers; pretrained: one of PRETRAINED; classes_known: the
    expressions they were trained to tell apart; output: of an ONNX file, that with the features.
    """

    expected: EncoderInput
    architecture: str
    source: str = "none"
    licence: str = "none"
    trained_on: str = "nothing"
    pretrained: str = "none"
    classes_known: tuple[str, ...] = ()
    output: str | None = None

    def content(self) -> dict[str, Any]:
        """Return the card as plain values, as `read_card` takes them."""
        own, shown = asdict(self), self.expected
        del own["expected"]
        if self.output is None:
            del own["output"]
        return {
            **own,
            "classes_known": list(self.classes_known),
            "image_size": shown.image_size,
            "mean": list(shown.mean),
            "std": list(shown.std),
            "channels": "bgr" if shown.bgr else "rgb",
            "layout": "nhwc" if shown.channels_last else "nchw",
        }


def card_of_file(expected: EncoderInput, architecture: str, file: str) -> Card:
    """Return the card of weights from a file that has none: their origin is not known."""
    return Card(expected, architecture, file, "unknown", "unknown", "unknown")


def card_of_package(card: Card, weights: str) -> Card:
    """Return the card of weights that a package holds, where `weights` asks for these."""
    return card if weights == PACKAGED else card_of_file(card.expected, card.architecture, weights)


def read_card(file: Path) -> Card:
    """Return the card beside a file of weights.

    Raises ConfigError naming the card and the fault: its origin must be stated where the file is
    there. A run keeps a card alone, which may be from a time when none was asked for.
    """
    path = file.with_suffix(".yaml")
    content = _content(path)
    shape = SHAPE if file.suffix != ONNX else SHAPE[:3]  # a graph is its own architecture
    needed = (*shape, *ORIGIN) if file.is_file() else shape
    if lacking := [key for key in needed if content.get(key) in (None, "")]:
        raise ConfigError(
            f"{path} says nothing of {', '.join(lacking)}: a card holds {', '.join(needed)}"
        )
    known = (*SHAPE, *ORIGIN, *OPTIONAL)
    if strange := [str(key) for key in content if key not in known]:
        raise ConfigError(f"{path}: {strange[0]} is not known; a card holds {', '.join(known)}")
    architecture = _text(content, "architecture", "onnx" if file.suffix == ONNX else "", path)
    if architecture in ("", "file"):
        raise ConfigError(
            f"{path}: architecture: name the network that the weights are of, such as resnet18 or "
            f"timm/resnet50"
        )
    _require_sum(file, content.get("sha256"), path)
    classes = _classes(content, path)
    usual = "expressions" if classes else "unknown"
    source, licence, trained_on = (_text(content, key, "unknown", path) for key in ORIGIN)
    return Card(
        _input(content, path),
        architecture,
        source,
        licence,
        trained_on,
        pretrained=_text(content, "pretrained", usual, path, PRETRAINED),
        classes_known=classes,
        output=_text(content, "output", "", path) or None,
    )


def write_card(path: Path, card: Card) -> None:
    """Write a card, whole or not at all. Raises WriteError."""
    write_text(path, yaml.safe_dump(card.content(), sort_keys=False, allow_unicode=True))


def _content(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(read_yaml_text(path))
    except FileNotFoundError:
        needed = ", ".join((*SHAPE, *ORIGIN))
        raise ConfigError(
            f"{path} is not there: an encoder's file needs a card that says {needed}"
        ) from None
    except Exception as error:  # YAML has no one class for what it meets in a strange file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"{path} cannot be read: {reason}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} is no card: expected {', '.join((*SHAPE, *ORIGIN))}, one a line")
    return content


def _require_sum(file: Path, expected: object, path: Path) -> None:
    """Raise ConfigError where a file of weights is another one than its card was written for."""
    if expected is None or not file.is_file():
        return
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if str(expected).lower() != found:
        raise ConfigError(
            f"{path}: sha256: {reprlib.repr(expected)} is another file's than {file}, whose is "
            f"{found}: fetch the weights again, or write the card anew"
        )


def _classes(content: dict[str, Any], path: Path) -> tuple[str, ...]:
    names = content.get("classes_known") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        shown = reprlib.repr(names)
        raise ConfigError(f"{path}: classes_known: {shown} is no list of names, [] for none")
    return tuple(names)


def _input(content: dict[str, Any], path: Path) -> EncoderInput:
    side = content["image_size"]
    if not isinstance(side, int) or isinstance(side, bool) or not 16 <= side <= 512:
        shown = reprlib.repr(side)
        raise ConfigError(f"{path}: image_size: {shown} is no number of pixels from 16 to 512")
    channels = _text(content, "channels", "rgb", path, ("rgb", "bgr"))
    layout = _text(content, "layout", "nchw", path, ("nchw", "nhwc"))
    mean, std = _triple(content, "mean", path), _triple(content, "std", path)
    if min(std) <= 0:
        raise ConfigError(f"{path}: std: {list(std)} must be above 0")
    return EncoderInput(side, mean, std, channels == "bgr", layout == "nhwc", any_size=False)


def _text(
    content: dict[str, Any], key: str, default: str, path: Path, known: tuple[str, ...] = ()
) -> str:
    value = content.get(key, default)
    if not isinstance(value, str) or (known and value not in known):
        expected = " or ".join(known) or "a name"
        raise ConfigError(f"{path}: {key}: {reprlib.repr(value)} is not {expected}")
    return value


def _triple(content: dict[str, Any], key: str, path: Path) -> Triple:
    values = content[key]
    try:
        first, second, third = (float(value) for value in values)
        finite = all(map(math.isfinite, (first, second, third)))
    except (TypeError, ValueError, OverflowError):
        finite = False
    if not finite:
        raise ConfigError(f"{path}: {key}: {reprlib.repr(values)} is not three numbers")
    return first, second, third
