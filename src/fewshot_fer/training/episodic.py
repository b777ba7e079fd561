"""Episodic training: one epoch, one step."""

import contextlib
import logging
import zlib
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from fewshot_fer.config.schema import TrainConfig
from fewshot_fer.data.images import FaceImages
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.episodes.sampler import Episodes
from fewshot_fer.evaluation.metrics import EpisodeScores, score_predictions
from fewshot_fer.models.network import Network, episode_logits, episode_losses, query_labels
from fewshot_fer.models.preprocessing import Normalisation
from fewshot_fer.system.ranks import all_gather, data_parallel, rank, rank_slice, world
from fewshot_fer.training.augmentation import (
    Changes,
    augmentation_random,
    draw_changes,
    prepare_batch,
)
from fewshot_fer.training.cuda_graph import GraphedSteps, capture_fault
from fewshot_fer.training.optim import build_optimiser, learning_rate, set_learning_rate

log = logging.getLogger("fewshot_fer")


class EpisodicTraining:
    """A network and an optimiser that go through episodes together.

    The network is trained in `dtype` on the device where the images are gathered; with bf16, which
    takes a GPU, its encoder's forward runs in bfloat16 and the weights stay in float32.
    """

    def __init__(
        self,
        network: Network,
        settings: TrainConfig,
        seed: int,
        dtype: torch.dtype = torch.float32,
        bf16: bool = False,
    ) -> None:
        self.network = network
        self.encoder, self.head, self.method = network.encoder, network.head, network.logits
        self.settings = settings
        self.seed = seed
        self.dtype = dtype
        self.bf16 = bf16
        self.optimiser = build_optimiser(network.parameters(), settings)
        learning = [self.encoder, self.head if settings.classification_weight else None]
        learning.append(self.method if isinstance(self.method, nn.Module) else None)
        self.in_step = data_parallel([part for part in learning if part is not None])
        self.normalisation = Normalisation()  # of embeddings, before the method sees them
        self.graph: GraphedSteps | None = None
        self.device = next(self.encoder.parameters()).device
        alone = self.device.type == "cuda" and world() == 1
        self.capturing = alone and not settings.classification_weight
        self.between_steps: Callable[[], None] = lambda: None  # may raise, to end an epoch
        self.after_step: Callable[[], None] | None = None

    def run_epoch(
        self, images: FaceImages, protocol: EpisodicProtocol, epoch: int
    ) -> EpisodeScores:
        """Take one optimiser step every `episodes_per_step` episodes of each rank; return each
        episode's loss and accuracy from before its step."""
        episodes = protocol.draw(self.seed, epoch)
        self.network.modules().train()
        steps = _steps(episodes, self.settings.episodes_per_step * world())
        random = augmentation_random(self.seed, epoch)
        changes = draw_changes(steps.size, images.side, self.settings.augment, random)
        n_way, k_shot = (int(size) for size in episodes.support.shape[1:])
        self._classes = torch.from_numpy(_image_classes(episodes)).to(self.device)
        losses, predicted = self._run_steps(images, steps, changes, (n_way, k_shot), epoch)
        # Read back once an epoch: asking each step for its loss would make a GPU wait.
        return score_predictions(
            episodes.classes,
            episodes.query,
            all_gather(predicted, dim=1).flatten(0, 1).cpu().numpy(),
            all_gather(losses, dim=1).flatten().double().cpu().numpy(),
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
        self._renew_graph(images, steps, changes, shape)
        seed_dropout(self.seed, epoch)
        if self.graph is not None:
            set_learning_rate(self.optimiser, learning_rate(self.settings, epoch))
            return self.graph.run(steps, changes, epoch)
        losses, predicted = [], []
        size, own_episodes = steps[0].size, rank_slice(steps.shape[1])
        first, own_size = own_episodes.start * steps.shape[2], steps[0, own_episodes].size
        for number in tqdm(range(len(steps)), desc=f"epoch {epoch}", leave=False, disable=None):
            self.between_steps()
            done = number / len(steps)
            set_learning_rate(self.optimiser, learning_rate(self.settings, epoch, done))
            start = number * size + first
            part = slice(start, start + own_size)
            own = None if changes is None else changes.of(part).to(self.device)
            batch = prepare_batch(images.gather(steps.ravel()[part]), own, self.dtype)
            loss, logits = self.step(batch, *shape, step=number)
            losses.append(loss)
            predicted.append(logits.argmax(dim=-1))
            if self.after_step is not None:
                self.after_step()
        return torch.stack(losses), torch.stack(predicted)

    def _renew_graph(
        self,
        images: FaceImages,
        steps: NDArray[np.int64],
        changes: Changes | None,
        shape: tuple[int, int],
    ) -> None:
        """Drop a graph that does other steps than these, and capture one where that can be."""
        kind = self.normalisation.kind
        if self.graph is not None and not (self._can_capture() and self.graph.fits(steps, kind)):
            self.graph = None
        if self._can_capture() and self.graph is None and len(steps) > GraphedSteps.WARM_UP:
            try:
                self.graph = GraphedSteps(self, images, steps.shape, changes, shape)
            except Exception as error:  # capturing must never cost a run
                self.capturing = False
                log.warning("%s", capture_fault(error))

    def _can_capture(self) -> bool:
        """Tell whether a step is the same work every time, with nothing between steps."""
        changing = self.after_step is not None or self.normalisation.kind == "cl2n"
        return self.capturing and not changing and self.settings.schedule == "step"

    def step(self, batch: Tensor, n_way: int, k_shot: int, step: int = 0) -> tuple[Tensor, Tensor]:
        """Train on E episodes, `episodes_per_step`: [E * way * (shot + query), 3, H, W].

        The images of an episode are next to one another, support first. All go through the encoder
        in ONE forward, so batch norm sees support and query together and, where E is above 1, the
        episodes too: that is another algorithm than E steps, or than the mean of E gradients. With
        several ranks it sees the episodes of all of them, and the gradient is that of their mean.
        Returns losses [E] and logits [E, way * query, way] from before the step.
        """
        losses, logits, loss = self.in_step(self._losses, batch, n_way, k_shot, step)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return losses.detach(), logits.detach()

    def _losses(
        self, batch: Tensor, n_way: int, k_shot: int, step: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return losses [E] of episodes, their logits, and the loss that is learnt from."""
        with reduced_precision(self.device, self.bf16):
            embeddings = self.encoder(batch)
        embeddings = embeddings.to(self.dtype).unflatten(0, (self.settings.episodes_per_step, -1))
        normalised = self.normalisation(embeddings)
        logits = episode_logits(normalised, n_way, k_shot, self.method)
        labels = query_labels(n_way, logits.shape[1] // n_way, logits.device)
        losses = episode_losses(logits, labels)
        loss = losses.mean()
        if self.settings.classification_weight:
            loss = loss + self.settings.classification_weight * self._classified(embeddings, step)
        return losses, logits, loss

    def _classified(self, embeddings: Tensor, step: int) -> Tensor:
        """Return a classifier's loss over all images of a step, embeddings [E, images, D]."""
        assert self.head is not None
        count = len(embeddings)
        first = step * count * world() + rank() * count
        given = self._classes[first : first + count].flatten()
        return F.cross_entropy(
            self.head(embeddings.flatten(0, 1)),
            given,
            label_smoothing=self.settings.label_smoothing,
        )


def seed_dropout(seed: int, epoch: int) -> None:
    """Set torch's own random state, which dropout draws from: each epoch and rank has another, so
    that an epoch goes the same way whatever ran before it."""
    words = [seed, zlib.crc32(b"dropout"), epoch, rank()]
    torch.manual_seed(int(np.random.SeedSequence(words).generate_state(1)[0]))


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


def _image_classes(episodes: Episodes) -> NDArray[np.int64]:
    """Return the class number [E, way * (shot + query)] of every image, as steps lay them out."""
    k_shot, n_query = episodes.support.shape[2], episodes.query.shape[2]
    parts = [np.repeat(episodes.classes, count, axis=1) for count in (k_shot, n_query)]
    return np.concatenate(parts, axis=1)
