"""Tables of faces, the episodes drawn from them, and both in the forms of torch's loaders."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from fewshot_fer.config.conf_files import conf_dir
from fewshot_fer.config.names import require_name
from fewshot_fer.config.schema import DatasetConfig, DemoConfig, EpisodesConfig, PathsConfig
from fewshot_fer.data.adapters.registry import find_adapter
from fewshot_fer.data.decode import decode
from fewshot_fer.data.load import find_source, load_dataset
from fewshot_fer.data.table import validate_table
from fewshot_fer.episodes import sampler
from fewshot_fer.episodes.pool import EpisodePool, Shape, build_pool
from fewshot_fer.episodes.sampler import Episodes

PathText = str | Path


def read_folder(folder: PathText, layout: str | None = None) -> pd.DataFrame:
    """Return the table of faces in folder/<class>/ or folder/<class>/<subject or clip>/.

    Its columns: path, label, split, group, clip, frame, dataset. group: what support and query of
    an episode never share. layout: class_first, subject_first or split_first where the names of
    folders do not tell. Raises UserError where there are no such folders.
    """
    settings = DatasetConfig("folder", layout=layout)
    return find_adapter("folder").read(Path(folder).expanduser().absolute(), settings)


def read_csv(file: PathText, root: PathText | None = None) -> pd.DataFrame:
    """Return the table of faces in a CSV with the columns path,label[,group,split,clip,frame].

    root: the folder that paths are relative to, that of the file by default. Raises UserError.
    """
    own = None if root is None else str(root)
    settings = DatasetConfig("csv", file=str(file), root=own)
    return find_adapter("csv").read(Path(file).expanduser().absolute().parent, settings)


def read_dataset(
    name: str,
    data: PathText | None = None,
    split: str | None = None,
    scale: float = 1.0,
    **settings: object,
) -> pd.DataFrame:
    """Return the table of a data set by its name, `rafdb_basic` or another of conf/dataset/.

    data: the folder that holds it; None takes the drawn set that comes with the package, drawn on
    first use at this scale: in under a minute at 1, in seconds at 0.02. split: as
    `dataset.split=`, by default that of the data set's file; settings: further ones of the data
    set, such as classes=["fear", "anger"]. Raises UserError.
    """
    require_name("dataset", name, "dataset")
    file = conf_dir() / "dataset" / f"{name}.yaml"
    stored = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else {}
    stored_settings: dict[str, Any] = {"adapter": name} | stored | settings
    chosen = DatasetConfig(**stored_settings)
    if split is not None:
        chosen = replace(chosen, split=split)
    paths = PathsConfig(data=None if data is None else str(data), demo=data is None)
    return load_dataset(chosen, find_source(paths, DemoConfig(scale)))


def draw_episodes(
    faces: pd.DataFrame,
    n_way: int,
    k_shot: int,
    n_query: int = 1,
    n_episodes: int = 600,
    seed: int = 0,
    *,
    disjoint: str = "group",
) -> Episodes:
    """Return episodes over a table: a function of table, shape and seed.

    classes [E, n_way], support [E, n_way, k_shot] and query [E, n_way, n_query] hold numbers of
    classes and rows of the table. disjoint: `group` or `image`, what support and query never share.
    Raises UserError where a class is too small for an episode.
    """
    pool = _pool(faces, Shape(n_way, k_shot, n_query), disjoint)
    return sampler.draw_episodes(pool, n_episodes, seed, f"test/faces_{n_way}w{k_shot}s")


class EpisodeSampler(Sampler[list[int]]):
    """Yields the rows of one episode after another, for the batch_sampler of a DataLoader.

    Support comes first: row (c, s) at c * k_shot + s, then query (c, q) in the same order. Each
    pass draws other episodes; `epoch` is the number of the next one.
    """

    def __init__(
        self, faces: pd.DataFrame, shape: tuple[int, int, int], n_episodes: int, seed: int = 0
    ) -> None:
        """Draw from a table. shape: n_way, k_shot and n_query. Raises UserError as above."""
        self.pool = _pool(faces, Shape(*shape), "group")
        self.n_episodes = n_episodes
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return self.n_episodes

    def __iter__(self) -> Iterator[list[int]]:
        drawn = sampler.draw_episodes(self.pool, self.n_episodes, self.seed, "train", self.epoch)
        self.epoch += 1
        for support, query in zip(drawn.support, drawn.query, strict=True):
            yield [*support.ravel().tolist(), *query.ravel().tolist()]


class FaceDataset(Dataset[tuple[Tensor, int]]):
    """The pictures of a table: row -> (uint8 [3, S, S], number of its class in class_names)."""

    def __init__(self, faces: pd.DataFrame, image_size: int = 84) -> None:
        validate_table(faces)
        self.paths = faces["path"].tolist()
        self.class_names = tuple(sorted(faces["label"].unique()))
        self.labels = [self.class_names.index(label) for label in faces["label"]]
        self.image_size = image_size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return torch.from_numpy(decode(self.paths[row], self.image_size)), self.labels[row]


def pool_of(faces: pd.DataFrame, episodes: Episodes) -> EpisodePool:
    """Return the pool that episodes of a table come from, as far as results name it.

    Raises UserError where they have rows that the table has not.
    """
    n_way, k_shot, n_query = map(int, (*episodes.support.shape[1:], episodes.query.shape[2]))
    shape = Shape(n_way, k_shot, n_query)
    groups = pd.factorize(faces["group"])[0]
    images = np.concatenate([episodes.support, episodes.query], axis=2)
    clash = sampler.group_clashes(groups[images], shape.k_shot).any()
    return _pool(faces, shape, "image" if clash else "group", skip_small_classes=True)


def _pool(
    faces: pd.DataFrame, shape: Shape, disjoint: str, skip_small_classes: bool = False
) -> EpisodePool:
    validate_table(faces)
    rules = EpisodesConfig(disjoint=disjoint, skip_small_classes=skip_small_classes)
    return build_pool(faces.reset_index(drop=True), shape, rules)
