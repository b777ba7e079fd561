"""One epoch of episodic training, and the learning rate of an epoch."""

import zlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from fewshot_fer.augmentation import augment, is_on
from fewshot_fer.config import AugmentConfig, TrainConfig
from fewshot_fer.episodes import Episodes
from fewshot_fer.images import FaceImages
from fewshot_fer.metrics import EpisodeScores, score_predictions
from fewshot_fer.models import Method
from fewshot_fer.models.episode_loss import episode_logits, episode_loss, query_labels
from fewshot_fer.models.preprocessing import normalise
from fewshot_fer.roles import Role


def learning_rate(settings: TrainConfig, epoch: int) -> float:
    """Return lr * 0.5 ** (epoch // drop_lr_every) for epochs counted from 1.

    With a drop every 40 epochs the first 39 run at the full rate: one less than torch's StepLR(40)
    stepped after each epoch would give.
    """
    if settings.drop_lr_every == 0:
        return settings.lr
    return float(settings.lr * 0.5 ** (epoch // settings.drop_lr_every))


def augmentation_random(seed: int, epoch: int) -> torch.Generator:
    """Return the generator of an epoch's augmentation: a function of seed and epoch alone."""
    words = np.random.SeedSequence([seed, zlib.crc32(b"augment"), epoch]).generate_state(2)
    return torch.Generator().manual_seed(int(words[0]) << 31 | int(words[1]) >> 1)


class EpisodicTraining:
    """An encoder, a method and an optimiser that go through episodes together.

    The encoder is trained in `dtype` on the device where the images are gathered.
    """

    def __init__(
        self,
        encoder: nn.Module,
        method: Method,
        settings: TrainConfig,
        seed: int,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.encoder = encoder
        self.method = method
        self.settings = settings
        self.seed = seed
        self.dtype = dtype
        self.head: nn.Module | None = None  # as a classifier has
        fused = next(encoder.parameters()).device.type in ("cpu", "cuda")
        self.optimiser = torch.optim.Adam(encoder.parameters(), lr=settings.lr, fused=fused)

    def run_epoch(self, images: FaceImages, role: Role, epoch: int) -> EpisodeScores:
        """Take one optimiser step an episode; return each episode's loss and accuracy before it."""
        episodes = role.draw(self.seed, epoch)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.settings, epoch)
        self.encoder.train()
        random = augmentation_random(self.seed, epoch)
        rows = _joint_rows(episodes)
        losses, predicted = [], []
        for row in tqdm(rows, desc=f"epoch {epoch}", leave=False, disable=None):
            batch = prepare_batch(images.gather(row), self.settings.augment, random, self.dtype)
            loss, logits = self.step(batch, *episodes.support.shape[1:])
            losses.append(loss)
            predicted.append(logits.argmax(dim=-1))
        # Read back once an epoch: asking each step for its loss would make a GPU wait.
        return score_predictions(
            episodes.classes,
            episodes.query,
            torch.stack(predicted).cpu().numpy(),
            torch.stack(losses).double().cpu().numpy(),
            len(episodes.class_names),
        )

    def step(self, batch: Tensor, n_way: int, k_shot: int) -> tuple[Tensor, Tensor]:
        """Train on one episode [way * (shot + query), 3, H, W], support first.

        Support and query go through the encoder in ONE forward, so batch norm sees both. Returns
        the loss and the logits [way * query, way] from before the step.
        """
        embeddings = self.encoder(batch)
        logits = episode_logits(embeddings, n_way, k_shot, self.method)
        labels = query_labels(n_way, len(logits) // n_way, logits.device)
        loss = episode_loss(logits, labels)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return loss.detach(), logits.detach()


def prepare_batch(
    images: Tensor, settings: AugmentConfig, random: torch.Generator, dtype: torch.dtype
) -> Tensor:
    """Return normalised training images [B, 3, H, W], augmented where the settings ask for it."""
    return normalise(augment(images, settings, random) if is_on(settings) else images, dtype)


def _joint_rows(episodes: Episodes) -> NDArray[np.int64]:
    """Return table rows [E, way * (shot + query)]: all support class by class, then all queries."""
    count = len(episodes)
    support = episodes.support.reshape(count, -1)
    return np.concatenate([support, episodes.query.reshape(count, -1)], axis=1)
