"""CLIP's image tower as an encoder, with the text tower beside it (the extra `clip`: open_clip).

Both towers' weights come from one file on disk. open_clip reads text with the vocabulary in its own
package, so nothing is downloaded; architectures whose tokenizer lies on a hub are refused.
"""

import difflib
import importlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from fewshot_fer.config.model_schema import NAMED_WEIGHTS, BackboneConfig
from fewshot_fer.models.backbones.card import Card, card_of_file, read_card
from fewshot_fer.models.backbones.registry import BuildOptions, register_backbone
from fewshot_fer.models.backbones.weights import load_weights
from fewshot_fer.models.preprocessing import Encoder, EncoderInput
from fewshot_fer.system.errors import ConfigError, needing_extra

FAMILY = "open_clip/"
OF_HUB = ("hf_tokenizer_name", "hf_model_name")  # keys of text towers that a hub is needed for
CAPTIONS = "captions"  # what such weights knew before, as results.csv says it


class ImageAndText(nn.Module):
    """Both towers of a CLIP network (Radford et al., ICML 2021); the image tower alone learns."""

    clip: Any  # open_clip has no type for its networks' methods

    def __init__(self, clip: nn.Module, tokenizer: Any) -> None:  # noqa: ANN401
        super().__init__()
        self.clip = clip.requires_grad_(False)
        self.clip.visual.requires_grad_(True)
        self.tokenizer = tokenizer

    def forward(self, images: Tensor) -> Tensor:
        """Return image embeddings [B, D], not normalised."""
        embedded: Tensor = self.clip.encode_image(images)
        return embedded

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Return text embeddings [n, D] in the space of images, float32 on the CPU, not normalised.

        A text longer than the tower takes (77 tokens for most) is cut.
        """
        device = self.clip.logit_scale.device
        was_training = self.clip.training
        self.clip.eval()
        embedded: Tensor = self.clip.encode_text(self.tokenizer(list(texts)).to(device))
        self.clip.train(was_training)
        return embedded.float().cpu()


def open_clip_card(settings: BackboneConfig) -> Card:
    """Return the card beside the weights or, without one, what the architecture says: how large
    images are, with the mean and deviation that most CLIP weights are made for.

    Raises ConfigError for an unknown architecture, and for a card of another one.
    """
    name, card = settings.name, Path(settings.weights).expanduser().with_suffix(".yaml")
    configuration, library = _configuration(name), _open_clip()
    if settings.weights not in NAMED_WEIGHTS and card.is_file():
        found = read_card(Path(settings.weights).expanduser())
        if found.architecture != name:
            raise ConfigError(
                f"{card} is of {found.architecture}, and backbone.name is {name}: give "
                f"backbone.name={found.architecture}"
            )
        return found
    side = configuration["vision_cfg"]["image_size"]
    side = side if isinstance(side, int) else side[0]
    mean, std = library.OPENAI_DATASET_MEAN, library.OPENAI_DATASET_STD
    expected = EncoderInput(side, tuple(mean), tuple(std), any_size=False)
    return replace(card_of_file(expected, name, settings.weights), pretrained=CAPTIONS)


@register_backbone(f"{FAMILY}*", open_clip_card)
def build_open_clip(settings: BackboneConfig, options: BuildOptions) -> nn.Module:
    """Return the image tower as an encoder that has the text tower too.

    Raises ConfigError where the extra or the file is missing, or the weights are of another one.
    """
    _require_file(settings, options)
    card, configuration = open_clip_card(settings), _configuration(settings.name)
    library = _open_clip()
    text = configuration["text_cfg"]
    if "timm_model_name" in configuration["vision_cfg"]:
        configuration["vision_cfg"]["timm_model_pretrained"] = False
    kind = library.CustomTextCLIP if configuration.pop("custom_text", False) else library.CLIP
    kind = library.CoCa if "multimodal_cfg" in configuration else kind
    tokenizer = library.SimpleTokenizer(
        context_length=text.get("context_length", 77), **text.get("tokenizer_kwargs", {})
    )
    network = ImageAndText(kind(**configuration), tokenizer)
    if options.weights != "none":
        load_weights(network.clip, Path(options.weights).expanduser())
    return Encoder(network, card.expected)


def _require_file(settings: BackboneConfig, options: BuildOptions) -> None:
    """Raise ConfigError where weights are asked for that are no file, before anything is built."""
    given = options.weights
    if given in NAMED_WEIGHTS[1:] or (given != "none" and not Path(given).expanduser().is_file()):
        raise ConfigError(
            f"backbone.weights={given}: no such file, and {settings.name} is not downloaded: fetch "
            f"its weights where there is a network, then give "
            f"backbone.weights=/path/open_clip_model.safetensors"
        )


def _configuration(name: str) -> dict[str, Any]:
    """Return open_clip's own copy of an architecture's settings. Raises ConfigError."""
    library, plain = _open_clip(), name.removeprefix(FAMILY)
    found = library.get_model_config(plain) if plain in library.list_models() else None
    if found is None:
        near = difflib.get_close_matches(plain, library.list_models(), n=3)
        hint = f"did you mean {', '.join(near)}?" if near else "open_clip.list_models() names them"
        raise ConfigError(f"backbone.name={name}: open_clip has no {plain}; {hint}")
    of_text = found["text_cfg"]
    if any(of_text.get(key) for key in OF_HUB) or "siglip" in plain.lower():
        raise ConfigError(
            f"backbone.name={name} reads text with a tokenizer that must be downloaded: take an "
            f"architecture with open_clip's own, such as open_clip/ViT-B-32"
        )
    return dict(found)


def _open_clip() -> ModuleType:
    with needing_extra("clip", "backbone=open_clip"):
        return importlib.import_module("open_clip")
