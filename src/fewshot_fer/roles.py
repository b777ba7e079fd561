"""The parts that data sets play in a run: training, validation, test. Each is loaded and checked
whole before the first image is decoded, so a mistake in the last test costs no training."""

from dataclasses import dataclass

import pandas as pd
import torch

from fewshot_fer.bootstrap import group_interval
from fewshot_fer.config import DatasetConfig, EpisodesConfig, EvalConfig, TrainVerb
from fewshot_fer.data.cache import cache_folder
from fewshot_fer.data.load import Source, load_dataset
from fewshot_fer.data.store import pack
from fewshot_fer.episodes import Episodes, draw_episodes
from fewshot_fer.images import FaceImages
from fewshot_fer.metrics import EpisodeScores
from fewshot_fer.pool import EpisodePool, Shape, build_pool
from fewshot_fer.runs import Row, score_columns


@dataclass(frozen=True)
class Role:
    """A table of faces, the shape of the episodes drawn from it, and what they are drawn for."""

    role: str  # train, validation or test
    name: str  # first half of the protocol's name, also the random stream of its episodes
    dataset: str
    table: pd.DataFrame
    shape: Shape
    n_episodes: int
    pool: EpisodePool

    @property
    def protocol(self) -> str:
        return f"{self.name}_{self.shape.n_way}w{self.shape.k_shot}s"

    def draw(self, seed: int, epoch: int = 0) -> Episodes:
        """Return episodes; each role, protocol and epoch has a random stream of its own."""
        stream = f"{self.role}/{self.protocol}"
        return draw_episodes(self.pool, self.shape, self.n_episodes, seed, stream, epoch)

    def load_images(self, image_size: int, device: torch.device) -> FaceImages:
        """Decode the images into the cache, or open them there."""
        return FaceImages(pack(self.table, image_size, cache_folder()), device)

    def result(self, scores: EpisodeScores, epoch: int) -> Row:
        """Return the row of results.csv for scores of this role."""
        return {
            "role": self.role,
            "dataset": self.dataset,
            "protocol": self.protocol,
            "n_way": self.shape.n_way,
            "k_shot": self.shape.k_shot,
            "n_query": self.shape.n_query,
            **score_columns(scores),
            "disjoint": self.pool.disjoint,
            "chance": 1 / self.shape.n_way,
            "n_images": len(self.pool.rows),
            "n_groups": self.pool.n_groups,
            "epoch": epoch,
            **self._group_interval(scores),
        }

    def _group_interval(self, scores: EpisodeScores) -> Row:
        """Return the interval over groups; they count even where episodes are image-disjoint."""
        asked = len(scores.row_asked)
        groups = pd.factorize(self.table["group"])[0][:asked]
        classes = pd.factorize(self.table["label"])[0][:asked] if self.pool.nested else None
        low, high = group_interval(scores.row_correct, scores.row_asked, groups, classes)
        return {"group_ci95_low": low, "group_ci95_high": high}


def training_role(settings: TrainVerb, source: Source) -> Role:
    """Return what is learnt from. Raises DataError or EpisodeError, as loading and drawing do."""
    train = settings.train
    shape = Shape(train.n_way, train.k_shot, train.n_query)
    return _role(
        ("train", "train"),
        settings.dataset,
        (shape, train.episodes_per_epoch),
        settings.episodes,
        source,
    )


def evaluation_role(
    role: str, settings: EvalConfig, episodes: EpisodesConfig, source: Source
) -> Role:
    """Return what is validated (`role` validation) or tested on (`role` test)."""
    shape = Shape(settings.n_way, settings.k_shot, settings.n_query)
    return _role(
        (role, settings.name), settings.dataset, (shape, settings.episodes), episodes, source
    )


def _role(
    names: tuple[str, str],
    dataset: DatasetConfig,
    drawn: tuple[Shape, int],
    episodes: EpisodesConfig,
    source: Source,
) -> Role:
    shape, n_episodes = drawn
    table = load_dataset(dataset, source)
    pool = build_pool(
        table,
        shape,
        disjoint=episodes.disjoint,
        skip_small_classes=episodes.skip_small_classes,
        what=f"{names[0]} on {dataset.adapter}, {shape}",
    )
    return Role(names[0], names[1], dataset.adapter, table, shape, n_episodes, pool)
