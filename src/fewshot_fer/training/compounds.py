"""Synthetic compounds in training: faces of two basic expressions mixed, told by both.

Pairs of all expressions of training are equally likely: no compound class is looked at. Everything
is drawn before an epoch, from seed and epoch alone.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.config.model_schema import LEARNT
from fewshot_fer.config.schema import TrainVerb, draws_episodes
from fewshot_fer.config.train_schema import TrainConfig
from fewshot_fer.data.labels import EXPRESSIONS
from fewshot_fer.data.packed_images import FaceImages
from fewshot_fer.episodes.pool import EpisodePool
from fewshot_fer.models.methods.registry import FEATURES, find_method, method_names
from fewshot_fer.system.errors import ConfigError
from fewshot_fer.training.augmentation import (
    Changes,
    augmentation_random,
    draw_changes,
    prepare_batch,
)
from fewshot_fer.training.epoch_steps import EpochSteps
from fewshot_fer.training.mixed_faces import MixedFaces, draw_mixed_faces

NEUTRAL = "neutral"
LEAST_PAIRED = 3  # expressions: of two there is one pair, and nothing to tell it from
LEAST_IN_EPISODE = 2  # of them; where there is one pair alone it teaches nothing
Numbers = NDArray[np.int64]
Random = np.random.Generator


def paired_classes(class_names: Sequence[str]) -> Numbers:
    """Return the positions of the classes that compounds are made of: the single expressions that
    are known here but neutral."""
    known = [name in EXPRESSIONS and name != NEUTRAL for name in class_names]
    return np.flatnonzero(known)


def class_pairs(classes: Sequence[int] | Numbers) -> Numbers:
    """Return all pairs [P, 2] of different classes, in the order of their positions."""
    return np.array(list(combinations(classes, 2)), dtype=np.int64).reshape(-1, 2)


def begin_in(settings: TrainConfig, epoch: int) -> bool:
    """Return whether an epoch has synthetic compounds: those after the share of single ones."""
    compounds = settings.compounds
    return compounds.share > 0 and epoch > compounds.after * settings.epochs


def require_compounds(settings: TrainVerb, class_names: Sequence[str]) -> None:
    """Raise ConfigError where the training classes, or the method, leave nothing to mix."""
    train, given = settings.train, f"train.compounds.share={settings.train.compounds.share}"
    if settings.method.composition == LEARNT:
        require_expressions(class_names, f"method.composition={LEARNT}")
    if not train.compounds.share:
        return
    require_expressions(class_names, given)
    if not draws_episodes(settings):
        return
    if not find_method(find_method(settings.method.name).trained_as).of_means:
        known = [name for name in method_names(of_means=True) if find_method(name).on == FEATURES]
        raise ConfigError(
            f"{given} composes prototypes in episodes, and method={settings.method.name} has none: "
            f"take another one ({', '.join(known)}), or train=pretrain"
        )
    others = len(class_names) - len(paired_classes(class_names))
    if train.n_way - others < LEAST_IN_EPISODE:
        raise ConfigError(
            f"{given}: with train.n_way={train.n_way} an episode can have fewer than "
            f"{LEAST_IN_EPISODE} expressions besides neutral: give "
            f"train.n_way={others + LEAST_IN_EPISODE} or more"
        )


def require_expressions(class_names: Sequence[str], given: str) -> None:
    """Raise ConfigError naming the setting where training has too few expressions to pair."""
    if len(paired := paired_classes(class_names)) < LEAST_PAIRED:
        found = ", ".join(class_names[place] for place in paired) or "none"
        raise ConfigError(
            f"{given} mixes faces of two basic expressions, and takes {LEAST_PAIRED} of them "
            f"besides neutral: training has {found}. Leave it out, or train on such classes, as "
            f"dataset=rafdb_basic"
        )


@dataclass(frozen=True)
class MixedBatch:
    """Mixed pictures of one step, those of this rank.

    pictures [N, 3, H, W]: normalised for an encoder; labels [N] or, of E episodes, [E, M]: numbers
    of pairs; count: of the pictures of the step, on all ranks; allowed [E, way]: the classes of
    each episode that compounds are made of, None outside episodes.
    """

    pictures: Tensor
    labels: Tensor
    count: int
    allowed: Tensor | None = None


@dataclass(frozen=True)
class EpochCompounds:
    """An epoch's mixed pictures in the order of its steps.

    rows [N, 2]: of the table; labels [N]: numbers of pairs; mixes, changes: of these N pictures,
    which are changed after they are mixed, so that the two faces lie on each other.
    """

    images: FaceImages
    rows: Numbers
    labels: Numbers
    mixes: MixedFaces
    changes: Changes | None

    def batch(self, part: slice, count: int, dtype: torch.dtype) -> MixedBatch:
        """Return some of the pictures, this rank's of `count` on all ranks."""
        first, second = (self.images.gather(self.rows[part, which]) for which in (0, 1))
        mixed = self.mixes.mix(part, first, second)
        changes = None if self.changes is None else self.changes.of(part).to(mixed.device)
        labels = torch.from_numpy(self.labels[part]).to(mixed.device)
        return MixedBatch(prepare_batch(mixed, changes, dtype), labels, count)


@dataclass(frozen=True)
class EpisodeCompounds:
    """The mixed pictures of S steps of E episodes, M of each; allowed [S, E, way]: the classes of
    an episode that compounds are made of."""

    pictures: EpochCompounds
    allowed: NDArray[np.bool_]

    def batch(self, step: int, own: slice, dtype: torch.dtype) -> MixedBatch:
        """Return those of some of the episodes of a step."""
        n_steps, n_episodes, _ = self.allowed.shape
        each = len(self.pictures.labels) // (n_steps * n_episodes)
        part = slice(*((step * n_episodes + edge) * each for edge in (own.start, own.stop)))
        mixed = self.pictures.batch(part, n_episodes * each, dtype)
        allowed = torch.from_numpy(self.allowed[step, own]).to(mixed.labels.device)
        return replace(mixed, labels=mixed.labels.view(-1, each), allowed=allowed)


def draw_pairs(
    pool: EpisodePool, pairs: Numbers, count: int, random: Random
) -> tuple[Numbers, Numbers]:
    """Return rows [N, 2] of two pictures each and the numbers [N] of their pairs, all of which are
    equally likely."""
    labels = random.integers(len(pairs), size=count)
    return draw_members(pool, pairs[labels], random), labels


def draw_members(pool: EpisodePool, classes: Numbers, random: Random) -> Numbers:
    """Return rows [N, 2] of pictures of classes [N, 2], in either order, of each class any."""
    classes = np.where(random.integers(2, size=len(classes))[:, None], classes, classes[:, ::-1])
    members = pool.members
    sizes = np.array([len(own) for own in members])
    starts = np.cumsum(sizes) - sizes
    places = np.floor(random.random(classes.shape) * sizes[classes]).astype(np.int64)
    rows: Numbers = np.concatenate(members)[starts[classes] + places]
    return rows


def draw_query_pairs(
    query: Numbers, allowed: NDArray[np.bool_], count: int, random: Random
) -> tuple[Numbers, Numbers]:
    """Return rows [E, M, 2] of two queries of an episode each, and numbers [E, M] of their pairs.

    query [E, way, query]: rows; allowed [E, way]: the classes that compounds are made of, two or
    more in each episode. All pairs of these are equally likely, so is either order.
    """
    n_episodes, n_way, n_query = query.shape
    rank_of = random.random((n_episodes, count, n_way)) + ~allowed[:, None]  # others come last
    ways = np.argsort(rank_of, axis=-1)[..., :2]
    places = random.integers(n_query, size=ways.shape)
    rows = query[np.arange(n_episodes)[:, None, None], ways, places]
    numbers = np.zeros((n_way, n_way), dtype=np.int64)
    for number, (one, other) in enumerate(class_pairs(range(n_way))):
        numbers[one, other] = numbers[other, one] = number
    return rows, numbers[ways[..., 0], ways[..., 1]]


def compounds_of(
    images: FaceImages, rows: Numbers, labels: Numbers, settings: TrainConfig, at: tuple[int, int]
) -> EpochCompounds:
    """Return pictures of rows [N, 2] with mixes and changes drawn for them; at: seed and epoch."""
    random = compound_random(*at, "mix")
    mixes = draw_mixed_faces(len(rows), images.side, settings.compounds.kind, random)
    stream = augmentation_random(*at, b"augment compounds")
    changes = draw_changes(len(rows), images.side, settings.augment, stream)
    return EpochCompounds(images, rows, labels, mixes, changes)


def compound_random(seed: int, epoch: int, what: str = "pairs") -> Random:
    """Return the generator of an epoch's compounds: a function of seed and epoch alone."""
    return np.random.default_rng([seed, zlib.crc32(f"compounds/{what}".encode()), epoch])


def supervised_compounds(
    images: FaceImages, pool: EpisodePool, count: int, settings: TrainConfig, at: tuple[int, int]
) -> EpochCompounds:
    """Return the mixed pictures of a pass over `count` images; at: seed and epoch."""
    pairs = class_pairs(paired_classes(pool.class_names))
    n_mixed = round(count * settings.compounds.share)
    rows, labels = draw_pairs(pool, pairs, n_mixed, compound_random(*at))
    return compounds_of(images, rows, labels, settings, at)


def episode_compounds(
    images: FaceImages,
    steps: EpochSteps,
    class_names: Sequence[str],
    settings: TrainConfig,
    at: tuple[int, int],
) -> EpisodeCompounds:
    """Return the mixed pictures of an epoch of episodes; at: seed and epoch."""
    query, allowed = steps.query, np.isin(steps.ways, paired_classes(class_names))
    each = max(1, round(steps.rows.shape[2] * settings.compounds.share))
    flat = query.reshape(-1, *query.shape[2:]), allowed.reshape(-1, steps.n_way)
    rows, labels = draw_query_pairs(*flat, each, compound_random(*at))
    pictures = compounds_of(images, rows.reshape(-1, 2), labels.ravel(), settings, at)
    return EpisodeCompounds(pictures, allowed)
