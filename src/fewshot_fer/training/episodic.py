"""Episodic training: an epoch of episodes, and the optimiser step."""

import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot_fer.config.train_schema import TrainConfig
from fewshot_fer.data.packed_images import FaceImages
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.evaluation.metrics import EpisodeScores, score_predictions
from fewshot_fer.models.network import Network, episode_logits, episode_losses, query_labels
from fewshot_fer.models.preprocessing import Normalisation
from fewshot_fer.system.device import Precision
from fewshot_fer.system.progress import tqdm
from fewshot_fer.system.ranks import all_gather, data_parallel, rank, rank_slice, world
from fewshot_fer.training.augmentation import EpochImages, epoch_images
from fewshot_fer.training.compound_losses import episode_pair_losses
from fewshot_fer.training.compounds import (
    EpisodeCompounds,
    MixedBatch,
    begin_in,
    episode_compounds,
)
from fewshot_fer.training.cuda_graph import CapturedSteps, Step, capture
from fewshot_fer.training.epoch_steps import EpochSteps, epoch_steps, with_frames
from fewshot_fer.training.optim import (
    build_optimiser,
    learning_rate,
    set_learning_rate,
    stages_by_rate,
)


class EpisodicTraining:
    """A network and the optimiser that trains it on episodes.

    The network is trained on the device where it is; with bf16, which takes a GPU, its encoder's
    forward runs in bfloat16. fast: capture steps as a CUDA graph where that can be.
    """

    def __init__(
        self,
        network: Network,
        settings: TrainConfig,
        seed: int,
        precision: Precision = Precision(),  # noqa: B008 - frozen
        fast: bool = True,
    ) -> None:
        self.network = network
        self.encoder, self.head, self.method = network.episode_encoder, network.head, network.logits
        self.settings = settings
        self.seed = seed
        self.precision = precision
        self.device = next(self.encoder.parameters()).device
        own, stages = self.encoder.parameters(), stages_by_rate(network.encoder, settings)
        self.optimiser = build_optimiser(network.parameters(), settings, own, stages)
        learning = [self.encoder, self.head if settings.classification_weight else None]
        learning.append(self.method if isinstance(self.method, nn.Module) else None)
        self.in_step = data_parallel([module for module in learning if module is not None])
        self.normalisation = Normalisation()  # of embeddings, before the method sees them
        self.between_steps: Callable[[], None] = lambda: None  # may raise, to end an epoch
        self.after_step: Callable[[], None] | None = None
        self.after_backward: Callable[[], None] | None = None
        alone = self.device.type == "cuda" and world() == 1
        others = settings.classification_weight or settings.compounds.share
        self.capturing = fast and alone and not others
        self.captured: CapturedSteps | None = None
        self.mean: Tensor | None = None
        self.compounds: EpisodeCompounds | None = None

    def run_epoch(
        self, images: FaceImages, protocol: EpisodicProtocol, epoch: int
    ) -> EpisodeScores:
        """Take one optimiser step every `episodes_per_step` episodes of each rank.

        Returns each episode's loss and accuracy from before its step.
        """
        episodes = protocol.draw(self.seed, epoch)
        steps = epoch_steps(episodes, self.settings.episodes_per_step * world())
        if protocol.of_clips is not None:
            random = np.random.default_rng([self.seed, zlib.crc32(b"frames"), epoch])
            steps = with_frames(steps, protocol.of_clips.clips, self.settings.frames, random)
        augment = self.settings.augment
        faces = epoch_images(images, steps.rows.ravel(), augment, self.seed, epoch)
        self.compounds = None
        if begin_in(self.settings, epoch):
            names, at = episodes.class_names, (self.seed, epoch)
            self.compounds = episode_compounds(images, steps, names, self.settings, at)
        self.network.start_training(self.settings.freeze_batch_norm)
        losses, predicted = self._run_steps(faces, steps, epoch)
        # Read back once an epoch: reading each step's loss would make a GPU wait.
        return score_predictions(
            episodes.classes,
            episodes.query,
            all_gather(predicted, dim=1).flatten(0, 1).cpu().numpy(),
            all_gather(losses, dim=1).flatten().double().cpu().numpy(),
            len(episodes.class_names),
        )

    def _run_steps(
        self, faces: EpochImages, steps: EpochSteps, epoch: int
    ) -> tuple[Tensor, Tensor]:
        """Return losses [S, E] and predicted positions [S, E, Q] of this rank's episodes."""
        self._renew_capture(faces, steps)
        seed_dropout(self.seed, epoch)  # after a capture, which draws too
        n_steps, n_episodes, n_images = steps.rows.shape
        before_step = partial(self._before_step, epoch=epoch, n_steps=n_steps)
        if self.captured is not None:
            return self.captured.run(faces, epoch, before_step, self.after_step)
        classes = torch.from_numpy(steps.classes).to(self.device)
        own, losses, predicted = rank_slice(n_episodes), [], []
        for number in tqdm(range(n_steps), desc=f"epoch {epoch}", leave=False, disable=None):
            before_step(number)
            first = number * n_episodes
            part = slice((first + own.start) * n_images, (first + own.stop) * n_images)
            batch = faces.batch(part, self.precision.dtype)
            mixed = None
            if self.compounds is not None:
                mixed = self.compounds.batch(number, own, self.precision.dtype)
            loss, logits = self.step(batch, steps.n_way, steps.k_shot, classes[number, own], mixed)
            losses.append(loss)
            predicted.append(logits.argmax(dim=-1))
            if self.after_step is not None:
                self.after_step()
        return torch.stack(losses), torch.stack(predicted)

    def _before_step(self, number: int, epoch: int, n_steps: int) -> None:
        self.between_steps()
        if number == 0 or self.settings.schedule != "step":  # within an epoch that one is constant
            rate = learning_rate(self.settings, epoch, number / n_steps)
            set_learning_rate(self.optimiser, rate)

    def step(
        self,
        batch: Tensor,
        n_way: int,
        k_shot: int,
        classes: Tensor | None = None,
        mixed: MixedBatch | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Train on E episodes, `episodes_per_step`: [E * way * (shot + query), 3, H, W].

        The images of an episode are next to one another, support first. All go through the encoder
        in ONE forward, so batch norm sees support and query together and, where E is above 1, the
        episodes too: that is another algorithm than E steps, or than the mean of E gradients. With
        several ranks it sees the episodes of all of them, and the gradient is that of their mean.
        Of clips each gives `frames` images. classes [E, images]: needed for `classification_weight`
        alone; mixed: pictures of two queries each, which go through in the same forward. Returns
        losses [E] and logits [E, way * query, way] from before the step.
        """
        losses, logits, loss = self.in_step(self._losses, batch, n_way, k_shot, classes, mixed)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if self.after_backward is not None:
            self.after_backward()
        self.optimiser.step()
        return losses.detach(), logits.detach()

    def _losses(
        self,
        batch: Tensor,
        n_way: int,
        k_shot: int,
        classes: Tensor | None,
        mixed: MixedBatch | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the losses [E] of episodes, their logits, and the loss whose gradient is taken."""
        settings = self.settings
        pictures = batch if mixed is None else torch.cat([batch, mixed.pictures])
        with self.precision.forward(self.device):
            embeddings = self.encoder(pictures)
        embeddings = embeddings.to(self.precision.dtype)
        embeddings, of_mixed = embeddings[: len(batch)], embeddings[len(batch) :]
        by_episode = self.normalisation(embeddings.unflatten(0, (settings.episodes_per_step, -1)))
        if settings.unit == "clip":  # an embedding is the mean of its clip's frames
            by_episode = by_episode.view(len(by_episode), -1, settings.frames, embeddings.shape[-1])
            by_episode = by_episode.mean(dim=2)
        logits = episode_logits(by_episode, n_way, k_shot, self.method)
        labels = query_labels(n_way, logits.shape[1] // n_way, logits.device)
        losses = episode_losses(logits, labels)
        loss = losses.mean()
        if settings.classification_weight:
            assert self.head is not None
            assert classes is not None
            smoothing, classified = settings.label_smoothing, self.head(embeddings)
            extra = F.cross_entropy(classified, classes.flatten(), label_smoothing=smoothing)
            loss = loss + settings.classification_weight * extra
        if mixed is not None:
            n_episodes, _, width = by_episode.shape
            support = by_episode[:, : n_way * k_shot].view(n_episodes, n_way, k_shot, width)
            queries = self.normalisation(of_mixed.view(n_episodes, -1, width))
            each = episode_pair_losses(support, queries, mixed, self.method)
            loss = loss + settings.compounds.weight * each.mean()
        return losses, logits, loss

    def _renew_capture(self, faces: EpochImages, steps: EpochSteps) -> None:
        """Drop captured steps that are not these, and capture these where that can be."""
        sizes, kind = steps.rows.shape, self.normalisation.kind
        self._hold_mean()
        if not self.capturing:
            self.captured = None
            return
        known = self.captured
        if known is not None and (known.sizes, known.step.normalisation) == (sizes, kind):
            return
        self.captured = None
        if sizes[0] <= CapturedSteps.WARM_UP:
            return
        take = partial(self._predict_in_step, n_way=steps.n_way, k_shot=steps.k_shot)
        step = Step(take, self.network.modules(), self.optimiser, self.precision.dtype, kind)
        n_queries = steps.n_way * steps.n_query
        self.captured = capture(lambda: CapturedSteps(step, faces, sizes, n_queries))
        self.capturing = self.captured is not None

    def _hold_mean(self) -> None:
        """Keep the mean that embeddings are centred on, another one in each epoch, in one place on
        the device: there a captured graph reads it, and no step copies it anew."""
        mean = self.normalisation.mean
        if mean is None:
            return
        if self.mean is None:
            self.mean = mean.to(self.device, self.precision.dtype, copy=True)
        self.mean.copy_(mean)
        self.normalisation = replace(self.normalisation, mean=self.mean)

    def _predict_in_step(self, batch: Tensor, n_way: int, k_shot: int) -> tuple[Tensor, Tensor]:
        losses, logits = self.step(batch, n_way, k_shot)
        return losses, logits.argmax(dim=-1)


def seed_dropout(seed: int, epoch: int) -> None:
    """Seed torch's own random state, which dropout draws from, by seed, epoch and rank alone."""
    words = [seed, zlib.crc32(b"dropout"), epoch, rank()]
    torch.manual_seed(int(np.random.SeedSequence(words).generate_state(1)[0]))
