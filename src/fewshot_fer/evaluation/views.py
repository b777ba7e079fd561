"""What methods see of an image: the embedders over one state of a network's weights.

Most methods compare embeddings. Others work on feature maps, on what the last block takes, on
pixels, or on the embeddings of the same encoder with random weights (`models.methods.registry`).
"""

import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.evaluation.embedder import Embedder
from fewshot_fer.models.backbones.face_expression import head_of
from fewshot_fer.models.backbones.registry import build_encoder, count_features
from fewshot_fer.models.backbones.stages import maps_of, require_stages
from fewshot_fer.models.methods.composed import Priors, named_parts
from fewshot_fer.models.methods.method import Method, untrained_method
from fewshot_fer.models.methods.registry import (
    FEATURES,
    MAPS,
    NO_HEAD,
    PIXELS,
    TRUNK,
    UNTRAINED,
    find_method,
)
from fewshot_fer.models.methods.text import Encode, text_tower
from fewshot_fer.models.network import Network
from fewshot_fer.system.device import DTYPES
from fewshot_fer.system.errors import ConfigError

PIXEL_SIDE = 32  # pixels a side that pictures are averaged to, at the most
ONNX = "onnx"


class Views:
    """Embedders and methods over one network.

    class_names: of training, which the network's head knows; keep_in: a folder for embeddings.
    """

    def __init__(
        self,
        settings: TrainVerb,
        network: Network,
        class_names: tuple[str, ...],
        keep_in: Path | None = None,
    ) -> None:
        self.settings, self.network = settings, network
        self.class_names, self.keep_in = class_names, keep_in
        self._embedders: dict[str, Embedder] = {}

    def embedder(self, on: str) -> Embedder:
        """Return the embedder of what methods work on, the same one each time.

        Maps and pixels are many numbers an image, so they are not kept on disk.
        """
        if on not in self._embedders:
            self._embedders[on] = self._made(on)
        return self._embedders[on]

    def width(self, on: str) -> int:
        """Return how many numbers a method has of an image."""
        encoder, side = self.network.encoder, self.settings.backbone.side
        if on == PIXELS:
            return 3 * Pixels(side).side ** 2
        if on in (MAPS, TRUNK):
            stages = require_stages(encoder, side, on, block=on == TRUNK)
            return math.prod(stages.shape if on == MAPS else stages.trunk_shape)
        return count_features(encoder, side)

    def release(self) -> None:
        """Forget the embeddings of images other than features: they are large."""
        self._embedders = {
            on: embedder
            for on, embedder in self._embedders.items()
            if embedder is self._embedders.get(FEATURES)
        }

    def method(self, name: str) -> Method:
        """Return a method that needs no training, over this network.

        Raises ConfigError where the network has not what the method takes.
        """
        known = find_method(name)
        encoder, side = self.network.encoder, self.settings.backbone.side
        shape: tuple[int, ...] = (0,)
        if known.on in (MAPS, TRUNK):
            stages = require_stages(encoder, side, name, block=known.on == TRUNK)
            shape = stages.shape
        if known.on == UNTRAINED and self.settings.backbone.name == ONNX:
            raise ConfigError(f"method={name}: a graph has no other weights than its own")
        method = untrained_method(name, math.prod(shape), shape[0])
        if known.on == TRUNK:
            fitted = partial(method.logits, stages=stages)  # type: ignore[call-arg]
            method = replace(method, logits=fitted)
        if isinstance(method.logits, nn.Module):
            method.logits.to(next(encoder.parameters()))
        return replace(method, head=self._head(name)) if known.takes_head else method

    def text(self) -> Encode:
        """Return what reads text for this network. Raises ConfigError where nothing does."""
        return text_tower(self.network.encoder)

    def _made(self, on: str) -> Embedder:
        encoder, backbone = self.network.encoder, self.settings.backbone
        dtype, like = DTYPES[self.settings.precision], next(encoder.parameters())
        if on == FEATURES:
            head = self.network.head if self.settings.method.name == "classifier" else None
            return Embedder(encoder, dtype, head, self.class_names, self.keep_in)
        if on == MAPS:
            maps = maps_of(encoder, backbone.side, "maps")
            return self.embedder(FEATURES) if maps is encoder else Embedder(maps, dtype)
        if on == TRUNK:
            stages = require_stages(encoder, backbone.side, "trunk", block=True)
            return Embedder(stages.before_block(), dtype)
        if on == PIXELS:
            return Embedder(Pixels(backbone.side).to(like), dtype)
        assert on == UNTRAINED
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            untrained = build_encoder(backbone, with_weights=False)
        return Embedder(untrained.to(like), dtype, keep_in=self.keep_in)

    def _head(self, method: str) -> Priors:
        """Return weights and bias of the classifier beside the encoder, as vectors of classes."""
        head, names = self.network.head, self.class_names
        if head is None and self.settings.train.epochs == 0:
            head, names = head_of(self.settings.backbone)
        if head is None:
            raise ConfigError(f"method={method} {NO_HEAD}")
        assert isinstance(head, nn.Linear)
        rows = torch.cat([head.weight, head.bias[:, None]], dim=1).detach().float().cpu()
        return Priors(names, rows, 0.0, weight=None, parts=named_parts(self.settings.method))


class Pixels(nn.Module):
    """The pixels of an image, averaged to PIXEL_SIDE a side where there are more."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = min(PIXEL_SIDE, side)
        self.place = nn.Parameter(torch.zeros(0), requires_grad=False)  # its device and dtype

    def forward(self, images: Tensor) -> Tensor:
        """Return [B, 3 * side * side] of images [B, 3, H, W]."""
        return F.adaptive_avg_pool2d(images, self.side).flatten(1)
