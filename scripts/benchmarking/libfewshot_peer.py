"""Training as LibFewShot's trainer goes about it, written anew: one episode a batch."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarking.peer_parts import FaceFiles, draw_rows, loader_options, textbook_encoder
from benchmarking.setting import LEARNING_RATE, Setting
from benchmarking.worker import seconds_of


class LibFewShotWay:
    """A loader whose workers decode an episode each, one joint forward, a classifier of prototypes,
    and loss and accuracy read back after each step (its `Trainer._train` and `ProtoNet`)."""

    def __init__(self, setting: Setting) -> None:
        self.device, self.shape = setting.device, setting.shape
        self.files = FaceFiles(setting, setting.augment)
        self.encoder = textbook_encoder(setting).to(self.device)
        self.loss = nn.CrossEntropyLoss()
        self.optimiser = torch.optim.Adam(self.encoder.parameters(), lr=LEARNING_RATE)

    def train(self, n_episodes: int) -> float:
        """Return seconds an episode."""
        self.encoder.train()
        return seconds_of(lambda: self._train(n_episodes), self.device) / n_episodes

    def _train(self, n_episodes: int) -> None:
        for images, _ in self._loader(n_episodes):
            logits, labels = self._forward(images.to(self.device))
            loss = self.loss(logits, labels)
            right = (logits.argmax(dim=1) == labels).float().mean()
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            loss.item()
            right.item()

    def _forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        shape = self.shape
        n_support = shape.n_way * shape.k_shot
        embeddings = self.encoder(images)
        support, query = embeddings[:n_support], embeddings[n_support:]
        prototypes = support.view(shape.n_way, shape.k_shot, -1).mean(dim=1)
        logits = -(query[:, None] - prototypes).square().sum(dim=2)
        labels = torch.arange(shape.n_way, device=self.device)
        return logits, labels.repeat_interleave(shape.n_query)

    def _loader(self, n_episodes: int) -> Iterator[tuple[Tensor, Tensor]]:
        rows = list(draw_rows(self.files.labels, self.shape, n_episodes))
        options = loader_options(self.device)
        return iter(DataLoader(self.files, batch_sampler=rows, **options))
