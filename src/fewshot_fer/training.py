"""Episodic training: one epoch, one step, and the learning rate of an epoch."""

import contextlib
import logging
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from fewshot_fer.augmentation import Changes, augmentation_random, draw_changes, prepare_batch
from fewshot_fer.config import TrainConfig
from fewshot_fer.episodes import Episodes
from fewshot_fer.graphed import GraphedSteps, capture_fault
from fewshot_fer.images import FaceImages
from fewshot_fer.metrics import EpisodeScores, score_predictions
from fewshot_fer.models import Method
from fewshot_fer.models.episode_loss import episode_logits, episode_losses, query_labels
from fewshot_fer.optimiser import build_adam, set_learning_rate
from fewshot_fer.roles import Role

log = logging.getLogger("fewshot_fer")


def learning_rate(settings: TrainConfig, epoch: int) -> float:
    """Return lr * 0.5 ** (epoch // drop_lr_every) for epochs counted from 1.

    With a drop every 40 epochs the first 39 run at the full rate: one less than torch's StepLR(40)
    stepped after each epoch would give.
    """
    if settings.drop_lr_every == 0:
        return settings.lr
    return float(settings.lr * 0.5 ** (epoch // settings.drop_lr_every))


class EpisodicTraining:
    """An encoder, a method and an optimiser that go through episodes together.

    The encoder is trained in `dtype` on the device where the images are gathered; with bf16, which
    takes a GPU, its forward runs in bfloat16 and its weights stay in float32.
    """

    def __init__(
        self,
        encoder: nn.Module,
        method: Method,
        settings: TrainConfig,
        seed: int,
        dtype: torch.dtype = torch.float32,
        bf16: bool = False,
    ) -> None:
        self.encoder = encoder
        self.method = method
        self.settings = settings
        self.seed = seed
        self.dtype = dtype
        self.bf16 = bf16
        self.head: nn.Module | None = None  # as a classifier has
        self.optimiser = build_adam(encoder.parameters(), settings.lr)
        self.graph: GraphedSteps | None = None
        self.device = next(encoder.parameters()).device
        self.capturing = self.device.type == "cuda"
        self.between_steps: Callable[[], None] = lambda: None  # may raise, to end an epoch

    def run_epoch(self, images: FaceImages, role: Role, epoch: int) -> EpisodeScores:
        """Take one optimiser step every `episodes_per_step` episodes; return each episode's loss
        and accuracy from before its step."""
        episodes = role.draw(self.seed, epoch)
        set_learning_rate(self.optimiser, learning_rate(self.settings, epoch))
        self.encoder.train()
        steps = _steps(episodes, self.settings.episodes_per_step)
        random = augmentation_random(self.seed, epoch)
        changes = draw_changes(steps.size, images.side, self.settings.augment, random)
        n_way, k_shot = (int(size) for size in episodes.support.shape[1:])
        losses, predicted = self._run_steps(images, steps, changes, (n_way, k_shot), epoch)
        # Read back once an epoch: asking each step for its loss would make a GPU wait.
        return score_predictions(
            episodes.classes,
            episodes.query,
            predicted.flatten(0, 1).cpu().numpy(),
            losses.flatten().double().cpu().numpy(),
            len(episodes.class_names),
        )

    def _run_steps(
        self,
        images: FaceImages,
        steps: NDArray[np.int64],
        changes: Changes | None,
        shape: tuple[int, int],
        epoch: int,
    ) -> tuple[Tensor, Tensor]:
        """Return losses [S, E] and predicted positions [S, E, Q] of S steps of E episodes."""
        if self.graph is not None and not self.graph.fits(steps):
            self.graph = None
        if self.capturing and self.graph is None and len(steps) > GraphedSteps.WARM_UP:
            try:
                self.graph = GraphedSteps(self, images, steps.shape, changes, shape)
            except Exception as error:  # capturing must never cost a run
                self.capturing = False
                log.warning("%s", capture_fault(error))
        if self.graph is not None:
            return self.graph.run(steps, changes)
        losses, predicted = [], []
        size = steps[0].size
        for number in tqdm(range(len(steps)), desc=f"epoch {epoch}", leave=False, disable=None):
            self.between_steps()
            part = slice(number * size, (number + 1) * size)
            own = None if changes is None else changes.of(part).to(self.device)
            batch = prepare_batch(images.gather(steps[number].ravel()), own, self.dtype)
            loss, logits = self.step(batch, *shape)
            losses.append(loss)
            predicted.append(logits.argmax(dim=-1))
        return torch.stack(losses), torch.stack(predicted)

    def step(self, batch: Tensor, n_way: int, k_shot: int) -> tuple[Tensor, Tensor]:
        """Train on E episodes, `episodes_per_step`: [E * way * (shot + query), 3, H, W].

        The images of an episode are next to one another, support first. All go through the encoder
        in ONE forward, so batch norm sees support and query together and, where E is above 1, the
        episodes too: that is another algorithm than E steps, or than the mean of E gradients.
        Returns losses [E] and logits [E, way * query, way] from before the step.
        """
        with reduced_precision(self.device, self.bf16):
            embeddings = self.encoder(batch)
        embeddings = embeddings.to(self.dtype).unflatten(0, (self.settings.episodes_per_step, -1))
        logits = episode_logits(embeddings, n_way, k_shot, self.method)
        labels = query_labels(n_way, logits.shape[1] // n_way, logits.device)
        losses = episode_losses(logits, labels)
        self.optimiser.zero_grad(set_to_none=True)
        losses.mean().backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return losses.detach(), logits.detach()


def reduced_precision(
    device: torch.device, bf16: bool
) -> contextlib.AbstractContextManager[object]:
    """Return what a forward is run in: bfloat16 where it is asked for."""
    if not bf16:
        return contextlib.nullcontext()
    # Without the cache of cast weights, which a captured graph would keep from its first step.
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)


def _steps(episodes: Episodes, episodes_per_step: int) -> NDArray[np.int64]:
    """Return table rows [S, E, way * (shot + query)] of S steps: of an episode all support class
    by class, then all queries."""
    count = len(episodes)
    parts = [episodes.support.reshape(count, -1), episodes.query.reshape(count, -1)]
    rows = np.concatenate(parts, axis=1)
    return rows.reshape(-1, episodes_per_step, rows.shape[1])
