"""A fixed support from the training side against every image: which images, and what they say.

Episodes tell how well few shots separate a few classes. This tells what a user would meet: all
classes at once, every evaluation image asked, the support drawn a few times to see how much it
matters.
"""

import zlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.errors import EpisodeError
from fewshot_fer.models.answering import ClassMethod

QUERIES = 1024  # queries scored at a time


@dataclass(frozen=True)
class FixedSupport:
    """class_names: in label order; rows [draws, way, shot]: rows of the table drawn from."""

    class_names: tuple[str, ...]
    rows: NDArray[np.int64]

    def images(self) -> NDArray[np.int64]:
        """Return the distinct rows of all draws, ascending: what training must not see."""
        return np.unique(self.rows)


def draw_fixed_support(
    table: pd.DataFrame, k_shot: int, draws: int, seed: int, what: str
) -> FixedSupport:
    """Draw k_shot images of every class, `draws` times; a function of table and seed.

    A draw has no image twice; two draws may share some. Raises EpisodeError naming `what` and the
    classes with fewer images.
    """
    class_names = tuple(sorted(table["label"].unique()))
    counts = table["label"].value_counts()
    small = [f"'{name}' has {counts[name]}" for name in class_names if counts[name] < k_shot]
    if small:
        raise EpisodeError(
            f"{what}: a fixed support of {k_shot} images a class needs that many: "
            f"{'; '.join(small)}. Ask for fewer with k_shot=, or leave such classes out with "
            f"episodes.skip_small_classes=true"
        )
    random = np.random.default_rng([seed, zlib.crc32(b"fixed support")])
    members = [np.flatnonzero(table["label"] == name) for name in class_names]
    rows = [
        [random.choice(own, size=k_shot, replace=False) for own in members] for _ in range(draws)
    ]
    return FixedSupport(class_names, np.array(rows, dtype=np.int64))


@torch.inference_mode()
def fixed_log_probabilities(
    method: ClassMethod, support: Tensor, query: Tensor
) -> NDArray[np.float64]:
    """Return log-probabilities [Q, way] of queries [Q, D] for one support [way, shot, D].

    Queries are independent of one another here, so they go through in chunks.
    """
    parts = []
    for start in range(0, len(query), QUERIES):
        logits = method.once(support, query[start : start + QUERIES])
        parts.append(torch.log_softmax(logits.double(), dim=1).cpu())
    return torch.cat(parts).numpy()
