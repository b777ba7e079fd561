"""Supervised batches as captured steps: batches of one size in a row are one graph's."""

from collections.abc import Callable
from dataclasses import replace
from itertools import groupby, pairwise

import numpy as np
import torch

from fewshot_fer.training.batches import Batches
from fewshot_fer.training.cuda_graph import CapturedSteps, Sizes, Step, capture

Block = tuple[slice, CapturedSteps | None]
"""Numbers of batches in a row, and their captured steps; None: each is started by itself"""
BeforeStep = Callable[[int], None]


class CapturedBatches:
    """The captured steps of a supervised training, for each size of a batch and number of them.

    step: takes a batch and its class numbers [B].
    """

    def __init__(self, step: Step) -> None:
        # Graphs that never run at once can have the same memory.
        if torch.cuda.is_available():
            step = replace(step, pool=torch.cuda.graph_pool_handle())
        self.step = step
        self._made: dict[Sizes, CapturedSteps | None] = {}

    def blocks(self, batches: Batches) -> list[Block]:
        """Return all batches of an epoch in their order; steps of new sizes are captured now."""
        numbers = blocks_of_one_size(batches.edges)
        return [(each, self._steps(batches, each)) for each in numbers]

    def _steps(self, batches: Batches, numbers: slice) -> CapturedSteps | None:
        n_batches, edges = numbers.stop - numbers.start, batches.edges
        size = edges[numbers.start + 1] - edges[numbers.start]
        sizes = (n_batches, 1, size)
        if n_batches <= CapturedSteps.WARM_UP:
            return None
        if sizes not in self._made:
            faces, classes = batches.block(numbers)
            make = lambda: CapturedSteps(self.step, faces, sizes, size, (classes,))  # noqa: E731
            failed = None in self._made.values()
            self._made[sizes] = None if failed else capture(make)
        return self._made[sizes]


def blocks_of_one_size(edges: list[int]) -> list[slice]:
    """Return the numbers of neighbouring batches of one size, from the batches' edges."""
    counts = [len(list(alike)) for _, alike in groupby(np.diff(edges))]
    ends = np.cumsum([0, *counts]).tolist()
    return [slice(start, end) for start, end in pairwise(ends)]
