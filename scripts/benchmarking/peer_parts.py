"""What the peers have in common: files read one by one, PIL transforms, textbook encoders."""

import multiprocessing
import os
import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset
from torchvision import models, transforms

from benchmarking.setting import AUGMENT, Setting
from fewshot_fer.config.model_schema import BackboneConfig
from fewshot_fer.data.adapters.folder import read_folder
from fewshot_fer.episodes.pool import Shape
from fewshot_fer.models import build_encoder
from fewshot_fer.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD

Transform = Callable[[Image.Image], Tensor]


class FaceFiles(Dataset[tuple[Tensor, int]]):
    """Picture files as PyTorch's tutorials read them: opened, decoded and changed when asked."""

    def __init__(self, setting: Setting, augment: bool) -> None:
        table = read_folder(setting.faces)
        names = sorted(table["label"].unique())
        self.paths: list[str] = table["path"].tolist()
        self.labels: list[int] = table["label"].map(names.index).tolist()
        self.transform = build_transform(setting.image_size, augment)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        with Image.open(self.paths[index]) as picture:
            return self.transform(picture.convert("RGB")), self.labels[index]


def build_transform(image_size: int, augment: bool) -> Transform:
    """Return torchvision's transforms that do what ours do: same changes, same strengths."""
    steps: list[object] = [transforms.Resize((image_size, image_size))]
    if augment:
        shift, zoom, colour = AUGMENT.crop, AUGMENT.zoom, AUGMENT.colour
        steps += [
            transforms.RandomAffine(0, translate=(shift, shift), scale=(1 - zoom, 1 + zoom)),
            transforms.RandomHorizontalFlip(AUGMENT.flip),
            transforms.ColorJitter(colour, colour, colour),
        ]
    steps += [transforms.ToTensor(), transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD)]
    composed: Transform = transforms.Compose(steps)
    return composed


class TextbookConv4(nn.Module):
    """Conv-4 as papers write it: convolution, batch norm, ReLU, max-pool. Weights carry our names,
    so that ours can be loaded."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        channels = [3, filters, filters, filters, filters]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1) for before, after in pairwise(channels)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(filters) for _ in range(4))
        self.relu, self.pool, self.flatten = nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()

    def forward(self, images: Tensor) -> Tensor:
        """Return embeddings [B, D] of images [B, 3, side, side]."""
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            images = self.pool(self.relu(norm(convolution(images))))
        embeddings: Tensor = self.flatten(images)
        return embeddings


def textbook_encoder(setting: Setting) -> nn.Module:
    """Return Conv-4, torchvision's ResNet-18 without its last layer, or another encoder of ours
    without its fast paths."""
    if setting.backbone == "conv4":
        return TextbookConv4(setting.filters)
    if setting.backbone != "resnet18":
        backbone = BackboneConfig(name=setting.backbone, weights="none")
        return build_encoder(backbone, fast=False)
    network: nn.Module = models.resnet18(weights=None)
    network.fc = nn.Identity()
    return network


def loader_options(device: str) -> dict[str, Any]:
    """Return how a DataLoader loads: beside the training on a GPU, within it on a CPU.

    On a CPU all systems then have the same threads, and nothing is lost: forward and backward take
    every core already. On a GPU there is a process for each core, up to the 12 of easyfsl's
    notebooks, forked as they would be from a script: this process would take its own server.
    """
    workers = min(12, os.cpu_count() or 1) if device == "cuda" else 0
    fork = workers and "fork" in multiprocessing.get_all_start_methods()
    return {
        "num_workers": workers,
        "multiprocessing_context": "fork" if fork else None,
        "pin_memory": device == "cuda",
    }


def draw_rows(labels: list[int], shape: Shape, count: int) -> Iterator[list[int]]:
    """Yield the rows of episodes: all support class by class, then all queries class by class."""
    by_class: dict[int, list[int]] = {}
    for row, label in enumerate(labels):
        by_class.setdefault(label, []).append(row)
    for _ in range(count):
        chosen = [
            random.sample(by_class[label], shape.k_shot + shape.n_query)
            for label in random.sample(sorted(by_class), shape.n_way)
        ]
        support = [row for rows in chosen for row in rows[: shape.k_shot]]
        yield support + [row for rows in chosen for row in rows[shape.k_shot :]]
