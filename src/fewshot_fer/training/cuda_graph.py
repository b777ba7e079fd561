"""Training steps as one captured CUDA graph: a step without a word from the CPU.

A step of a small encoder is a hundred short kernels, and starting them one by one from Python takes
longer than running them. Captured once, they are started together. Everything that differs between
steps lies on the GPU before the epoch starts, and a counter there says which step it is.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from fewshot_fer.data.images import FaceImages
from fewshot_fer.models.fast.conv4_gpu import for_a_graph
from fewshot_fer.training.augmentation import Changes, prepare_batch

if TYPE_CHECKING:
    from fewshot_fer.training.episodic import EpisodicTraining


def capture_fault(error: Exception) -> str:
    """Return a line on why training goes on without a graph."""
    reason = " ".join(str(error).split())[:200]
    return f"no CUDA graph, steps are started one by one: {type(error).__name__}: {reason}"


class GraphedSteps:
    """Epochs of S steps of E episodes on a GPU where all images are resident."""

    WARM_UP = 3  # steps in front of the capture, in which libraries set themselves up

    def __init__(
        self,
        training: "EpisodicTraining",
        images: FaceImages,
        sizes: tuple[int, ...],
        changes: Changes | None,
        shape: tuple[int, int],
    ) -> None:
        """sizes: (S, E, way * (shot + query)); shape: (n_way, k_shot). Raises whatever torch raises
        where the step cannot be captured; the weights are then those of before."""
        self.training, self.images, self.shape = training, images, shape
        self.normalised = training.normalisation.kind
        self.device = training.device
        count, episodes, per_episode = sizes
        n_way, k_shot = shape
        self.counter = torch.zeros(1, dtype=torch.int64, device=self.device)
        self.rows = torch.zeros(
            count, episodes * per_episode, dtype=torch.int64, device=self.device
        )
        self.changes = None if changes is None else self._split(changes)
        queries = per_episode - n_way * k_shot
        self.losses = torch.zeros(count, episodes, dtype=training.dtype, device=self.device)
        self.predicted = torch.zeros(
            count, episodes, queries, dtype=torch.int64, device=self.device
        )
        self.graph = self._capture()

    def fits(self, steps: NDArray[np.int64], normalised: str) -> bool:
        """Tell whether it was captured for as many steps and episodes, normalised in this way."""
        return self.losses.shape == steps.shape[:2] and self.normalised == normalised

    def run(
        self, steps: NDArray[np.int64], changes: Changes | None, epoch: int
    ) -> tuple[Tensor, Tensor]:
        """Take all steps [S, E, way * (shot + query)] of an epoch; return losses [S, E] and
        predicted positions [S, E, Q], which the next epoch overwrites."""
        self.rows.copy_(torch.from_numpy(steps).flatten(1))
        if changes is not None and self.changes is not None:
            new = _tensors(self._split(changes))
            for kept, value in zip(_tensors(self.changes), new, strict=True):
                kept.copy_(value)
        self.counter.zero_()
        # Up to a thousand steps ahead of the GPU, which then makes the starting of more wait.
        for _ in tqdm(range(len(steps)), desc=f"epoch {epoch}", leave=False, disable=None, delay=2):
            self.training.between_steps()
            self.graph.replay()
        return self.losses, self.predicted

    def _capture(self) -> torch.cuda.CUDAGraph:
        """Warm up and capture, and leave weights, statistics and optimiser as they were."""
        restore = _remembered(self.training.network.modules(), self.training.optimiser)
        try:
            stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
            stream.wait_stream(torch.cuda.current_stream(self.device))
            with for_a_graph(), torch.cuda.stream(stream):
                for _ in range(self.WARM_UP):
                    self._step()
            torch.cuda.current_stream(self.device).wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with for_a_graph(), torch.cuda.graph(graph):
                self._step()
        finally:
            restore()
        return graph

    def _step(self) -> None:
        rows = self.rows.index_select(0, self.counter)[0]
        own = None if self.changes is None else _take(self.changes, self.counter)
        batch = prepare_batch(self.images.resident(rows), own, self.training.dtype)
        losses, logits = self.training.step(batch, *self.shape)
        self.losses.index_copy_(0, self.counter, losses[None])
        self.predicted.index_copy_(0, self.counter, logits.argmax(dim=-1)[None])
        self.counter += 1
        self.counter %= len(self.rows)

    def _split(self, changes: Changes) -> Changes:
        """Return the changes on the GPU, step by step: rows [S, B, H] and so on."""
        moved, shape = changes.to(self.device), self.rows.shape
        factors = None if moved.factors is None else moved.factors.view(*shape, -1)
        return Changes(moved.rows.view(*shape, -1), moved.columns.view(*shape, -1), factors)


def _take(changes: Changes, step: Tensor) -> Changes:
    """Return the changes of the step that a tensor [1] names."""
    rows, columns = (each.index_select(0, step)[0] for each in (changes.rows, changes.columns))
    factors = changes.factors
    return Changes(rows, columns, None if factors is None else factors.index_select(0, step)[0])


def _tensors(changes: Changes) -> list[Tensor]:
    return [each for each in (changes.rows, changes.columns, changes.factors) if each is not None]


def _remembered(trained: nn.Module, optimiser: torch.optim.Optimizer) -> Callable[[], None]:
    """Return what brings weights, statistics and moments back, in the memory that they have."""
    weights = {key: value.clone() for key, value in trained.state_dict().items()}
    moments = {
        parameter: {key: value.clone() for key, value in state.items()}
        for parameter, state in optimiser.state.items()
    }

    def restore() -> None:
        trained.load_state_dict(weights)
        for parameter, state in optimiser.state.items():
            for key, value in state.items():
                if parameter in moments:
                    value.copy_(moments[parameter][key])
                else:  # Adam starts all of them at zero
                    value.zero_()

    return restore
