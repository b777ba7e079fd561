"""The loop that anyone would write first, and one as the original study's code ran."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from benchmarking.peer_parts import FaceFiles, draw_rows, loader_options, textbook_encoder
from benchmarking.setting import EVALUATION, LEARNING_RATE, Setting
from benchmarking.worker import seconds_of
from fewshot_fer.episodes.pool import Shape


class PlainLoop:
    """Dataset, DataLoader, PIL transforms, one joint forward an episode; nothing is kept."""

    dtype = torch.float32

    def __init__(self, setting: Setting) -> None:
        self.device, self.shape = setting.device, setting.shape
        self.learnt = FaceFiles(setting, setting.augment)
        self.asked = FaceFiles(setting, augment=False)
        self.encoder = textbook_encoder(setting).to(self.device, self.dtype)
        self.optimiser = torch.optim.Adam(self.encoder.parameters(), lr=LEARNING_RATE)

    def train(self, n_episodes: int) -> float:
        """Return seconds an episode."""
        self.encoder.train()
        return seconds_of(lambda: self._train(n_episodes), self.device) / n_episodes

    def evaluate(self, n_episodes: int) -> float:
        """Return seconds an episode."""
        self.encoder.eval()
        return seconds_of(lambda: self._evaluate(n_episodes), self.device) / n_episodes

    def _train(self, n_episodes: int) -> None:
        for images in self._batches(self.learnt, self.shape, n_episodes):
            loss, _ = self._loss(images, self.shape)
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            loss.item()

    @torch.no_grad()
    def _evaluate(self, n_episodes: int) -> None:
        for images in self._batches(self.asked, EVALUATION, n_episodes):
            loss, correct = self._loss(images, EVALUATION)
            loss.item()
            correct.item()

    def _loss(self, images: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
        embeddings = self.encoder(images.to(self.device))
        n_support = shape.n_way * shape.k_shot
        prototypes = embeddings[:n_support].view(shape.n_way, shape.k_shot, -1).mean(dim=1)
        logits = -self._squared_distances(embeddings[n_support:], prototypes)
        labels = torch.arange(shape.n_way, device=self.device).repeat_interleave(shape.n_query)
        return F.cross_entropy(logits, labels), (logits.argmax(dim=1) == labels).float().mean()

    def _squared_distances(self, query: Tensor, prototypes: Tensor) -> Tensor:
        return torch.cdist(query, prototypes).square()

    def _batches(self, files: FaceFiles, shape: Shape, n_episodes: int) -> Iterable[Tensor]:
        return DataLoader(
            files,
            batch_sampler=list(draw_rows(files.labels, shape, n_episodes)),
            **loader_options(self.device),
            collate_fn=self._collate,
        )

    def _collate(self, items: list[tuple[Tensor, int]]) -> Tensor:
        return torch.stack([image for image, _ in items]).to(self.dtype)


class OriginalLoop(PlainLoop):
    """The study's way, written anew from its description: float64 throughout, each image read and
    resized when it is drawn, distances between query and prototypes expanded to one another."""

    dtype = torch.float64

    def _squared_distances(self, query: Tensor, prototypes: Tensor) -> Tensor:
        shape = (len(query), len(prototypes), query.shape[1])
        differences = query[:, None].expand(shape) - prototypes[None].expand(shape)
        return differences.pow(2).sum(dim=2)
