"""Networks, images and settings that are small enough to compare whole epochs of."""

import numpy as np
import torch
from conftest import face_table
from torch import nn

from fewshot_fer.config.schema import AugmentConfig, BackboneConfig, TrainConfig
from fewshot_fer.data.images import FaceImages
from fewshot_fer.data.pack import PackedFaces
from fewshot_fer.episodes.pool import Shape, build_pool
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.models import build_encoder
from fewshot_fer.models.methods.prototypes import prototype_logits
from fewshot_fer.models.network import Network

SHAPE = Shape(n_way=3, k_shot=2, n_query=2)


def random_images(count: int) -> FaceImages:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    return FaceImages(PackedFaces(images=pixels, fingerprint="random"), torch.device("cpu"))


def small_encoder() -> nn.Module:
    torch.manual_seed(0)
    encoder = build_encoder(BackboneConfig(name="conv4", filters=8, image_size=32))
    encoder(torch.randn(16, 3, 32, 32))  # running statistics other than the initial ones
    return encoder


CHANGED = AugmentConfig(flip=0.5, crop=0.1, zoom=0.1, colour=0.2)


def settings(**changes: object) -> TrainConfig:
    values = {"epochs": 2, "episodes_per_epoch": 8, "n_way": 3, "k_shot": 2, "n_query": 2}
    return TrainConfig(**{**values, "augment": CHANGED, **changes})  # type: ignore[arg-type]


def training_task() -> tuple[FaceImages, EpisodicProtocol]:
    table = face_table(dict.fromkeys("abcd", 10))
    shape = Shape(3, 2, 2)
    return random_images(len(table)), EpisodicProtocol(
        "train", "train", "made", table, 8, build_pool(table, shape)
    )


def network(encoder: nn.Module) -> Network:
    return Network(encoder, None, prototype_logits)
