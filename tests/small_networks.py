"""Networks, images and settings small enough to compare whole epochs."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import torch
from conftest import face_table
from numpy.typing import NDArray
from torch import nn

from fewshot_fer.config.model_schema import BackboneConfig
from fewshot_fer.config.train_schema import AugmentConfig, TrainConfig
from fewshot_fer.data.packed_images import FaceImages, PackedFaces
from fewshot_fer.episodes.clips import ClipEpisodes, clips_of
from fewshot_fer.episodes.pool import Shape, build_pool
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.models import build_encoder
from fewshot_fer.models.methods.learned import Feat
from fewshot_fer.models.methods.prototypes import prototype_logits
from fewshot_fer.models.network import Network
from fewshot_fer.training.cuda_graph import CapturedSteps
from fewshot_fer.training.episodic import EpisodicTraining

SHAPE = Shape(n_way=3, k_shot=2, n_query=2)
CHANGED = AugmentConfig(flip=0.5, crop=0.1, zoom=0.1, colour=0.2, rotate=10.0, erase=0.5)


class ReplayedOnCpu(CapturedSteps):
    """Captured steps with everything real but the capture, which takes a GPU."""

    def capture(self) -> torch.cuda.CUDAGraph:
        return SimpleNamespace(replay=self.take_step)  # type: ignore[return-value]


def random_images(count: int) -> FaceImages:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    return FaceImages(PackedFaces(images=pixels, fingerprint="random"), torch.device("cpu"))


def moved(images: FaceImages, device: torch.device, on_device: bool | None = None) -> FaceImages:
    """Return the same pixels for another device; on_device: whether all of them lie there."""
    pixels = images.gather(np.arange(len(images))).numpy()
    return FaceImages(PackedFaces(pixels, images.fingerprint), device, on_device=on_device)


def small_encoder(fast: bool = True) -> nn.Module:
    torch.manual_seed(0)
    encoder = build_encoder(BackboneConfig(name="conv4", filters=8, image_size=32), fast=fast)
    encoder(torch.randn(16, 3, 32, 32))  # running statistics other than the initial ones
    return encoder


def settings(**changes: object) -> TrainConfig:
    values = {"epochs": 2, "episodes_per_epoch": 8, "n_way": 3, "k_shot": 2, "n_query": 2}
    return TrainConfig(**{**values, "augment": CHANGED, **changes})  # type: ignore[arg-type]


def training_task() -> tuple[FaceImages, EpisodicProtocol]:
    table = face_table(dict.fromkeys("abcd", 10))
    return random_images(len(table)), EpisodicProtocol(
        "train", "train", "made", table, 8, build_pool(table, SHAPE)
    )


def clip_training_task() -> tuple[FaceImages, EpisodicProtocol]:
    """Return clips of four frames that are one and the same picture, those of `training_task`."""
    images, protocol = training_task()
    table = protocol.table.loc[protocol.table.index.repeat(4)].reset_index(drop=True)
    table = table.assign(clip=table["path"], group=table["path"], frame=[0, 1, 2, 3] * 40)
    table["path"] += table["frame"].astype(str)
    clips = clips_of(table, np.arange(len(table)), "here")
    pixels = images.gather(np.arange(40).repeat(4)).numpy()
    frames = FaceImages(PackedFaces(images=pixels, fingerprint="frames"), images.device)
    of_clips = ClipEpisodes(clips, build_pool(clips.table, replace(SHAPE, unit="clip")), table)
    pool = build_pool(table, SHAPE)
    return frames, EpisodicProtocol("train", "train", "made", table, 8, pool, of_clips=of_clips)


def network(encoder: nn.Module) -> Network:
    return Network(encoder, None, prototype_logits)


def train_with_dropout(
    images: FaceImages, drawn_before: int, epoch: int
) -> tuple[EpisodicTraining, NDArray[np.float64]]:
    """Return a training whose method drops out, and an epoch's losses, on the images' device.

    drawn_before: the seed of torch when the epoch begins; the episodes are the same in all epochs.
    """
    _, protocol = training_task()
    torch.manual_seed(0)
    dropping = Network(small_encoder().to(images.device), None, Feat(32).to(images.device))
    torch.manual_seed(drawn_before)
    loop = EpisodicTraining(dropping, settings(lr=1e-9, augment=AugmentConfig()), 0)
    fixed = replace(protocol, loaded=protocol.draw(0, 1))
    return loop, loop.run_epoch(images, fixed, epoch).loss
