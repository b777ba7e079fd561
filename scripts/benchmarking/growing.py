"""What is measured over growing sizes on made-up data: tables, near-identical pictures, episodes.

Each method returns the seconds of the processor for one size, on data that are made before.
"""

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmarking.setting import EVALUATION, SEED, Setting
from fewshot_fer.config.hydra import compose
from fewshot_fer.config.read import read_settings
from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.data.load import find_source
from fewshot_fer.data.table import make_table
from fewshot_fer.episodes.clips import clips_of
from fewshot_fer.episodes.pool import Shape, build_pool
from fewshot_fer.episodes.sampler import draw_episodes
from fewshot_fer.evaluation.scoring import score_episodes
from fewshot_fer.models.methods.method import PROTOTYPES
from fewshot_fer.reports.audit.audit import audit
from fewshot_fer.reports.audit.twins import find_twins

BLOCK = 10_000  # pictures made at a time
CHUNK = 1_000_000  # episodes drawn and scored at a time
COARSE = (4, 8, 16)  # cells a side of what pictures are the sum of, each half as strong as the last
EMBEDDED = 64  # values of an embedding
FRAMES = 10  # of a clip
GROUPED = 5  # images of a group
IMAGES = 40  # of a class
TABLE = 3954  # images that episodes are drawn of: RAF-DB compound has as many
FEW_EPISODES = 10_000
SHAPE = Shape(n_way=5, k_shot=5, n_query=5)


class Growing:
    """Makes data of any size and does one thing with them."""

    def __init__(self, _: Setting) -> None:
        self.random = np.random.default_rng(SEED)

    def tables(self, count: int) -> float:
        """Return seconds for the table of `count` images from what an adapter has listed."""
        rows = _rows(count, 7, 1)
        return processor_seconds(lambda: make_table(rows))

    def twins(self, count: int) -> float:
        """Return seconds to find the pictures of a fifth of them among the others, some copies."""
        pictures = self._pictures(count)
        left, right = pictures[count // 5 :], pictures[: count // 5]
        right[::10] = left[: len(right[::10])]
        return processor_seconds(lambda: find_twins(left, right))

    def episodes(self, count: int) -> float:
        """Return seconds to draw `count` episodes and score them on embeddings kept before."""
        table = make_table(_rows(TABLE, 7, 1))
        return self._drawn_and_scored(table, EVALUATION, count)

    def classes(self, count: int) -> float:
        """Return seconds to pool `count` classes in groups, and for 10,000 5-way episodes."""
        table = make_table(_rows(count * IMAGES, count, GROUPED))
        return self._drawn_and_scored(table, SHAPE, FEW_EPISODES)

    def clips(self, count: int) -> float:
        """Return seconds for the table of `count` clips, and to find its clips and pool them."""
        rows = _rows(count * FRAMES, 7, FRAMES)

        def work() -> None:
            table = make_table(rows)
            clips_of(table, np.arange(len(table)), "the clips")
            build_pool(table, SHAPE)

        return processor_seconds(work)

    def _drawn_and_scored(self, table: pd.DataFrame, shape: Shape, count: int) -> float:
        rows = np.arange(len(table))
        embeddings = torch.randn(len(table), EMBEDDED, generator=torch.manual_seed(SEED))

        def work() -> None:
            pool = build_pool(table, shape)
            for epoch, start in enumerate(range(0, count, CHUNK)):
                episodes = draw_episodes(pool, min(CHUNK, count - start), SEED, "test", epoch)
                score_episodes(PROTOTYPES, embeddings, rows, episodes)

        return processor_seconds(work)

    def _pictures(self, count: int) -> NDArray[np.uint8]:
        """Return [count, 32, 32] of coarse patterns and finer, weaker ones, as photographs have."""
        pictures = np.empty((count, 32, 32), dtype=np.uint8)
        for start in range(0, count, BLOCK):
            block = np.full((min(BLOCK, count - start), 32, 32), 128, dtype=np.float32)
            for place, cells in enumerate(COARSE):
                shape = (len(block), cells, cells)
                pattern = self.random.standard_normal(shape, dtype=np.float32) * 40 / 2**place
                block += pattern.repeat(32 // cells, axis=1).repeat(32 // cells, axis=2)
            pictures[start : start + BLOCK] = block.clip(0, 255)
        return pictures


class Checking:
    """Audits a folder of picture files, half of its classes for training, half for validation."""

    def __init__(self, setting: Setting) -> None:
        names = sorted(folder.name for folder in setting.faces.iterdir())
        sets = {"dataset": names[::2], "eval.dataset": names[1::2]}
        words = ["dataset=folder", "eval=folder_5w5s", "eval.dataset.adapter=folder"]
        words += [f"{key}.root='{setting.faces}'" for key in sets]
        words += [f"{key}.classes={list(of_set)}" for key, of_set in sets.items()]
        words += [f"paths.data='{setting.faces}'", "eval.n_query=1"]
        self.settings = read_settings(compose("train", words), TrainVerb)

    def check(self, _: int) -> float:
        """Return seconds for everything that `check` looks for."""
        source = find_source(self.settings.paths, self.settings.demo)
        return processor_seconds(lambda: audit(self.settings, source))


def processor_seconds(work: Callable[[], object]) -> float:
    """Return what `work` takes of the processor: other load on the machine does not count."""
    started = time.process_time()
    work()
    return time.process_time() - started


def _rows(count: int, n_classes: int, grouped: int) -> pd.DataFrame:
    """Return rows that a FaceTable is made of: clips of `grouped` images, in classes by turns."""
    clips = np.arange(count) // grouped
    names = np.char.add("class", (clips % n_classes).astype(str))
    columns = {
        "path": [f"/data/{name}/{row:08}.jpg" for row, name in enumerate(names)],
        "label": names.astype(object),
        "clip": [f"{clip:07}" for clip in clips] if grouped > 1 else "",
    }
    return pd.DataFrame(columns | {"split": "all", "dataset": "made"})
