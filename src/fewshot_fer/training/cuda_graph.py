"""Training steps captured as one CUDA graph, which is replayed for each step of an epoch.

A step of a small encoder is a hundred short kernels, and starting them one by one from Python takes
longer than running them. Captured once, they are started together. Everything that differs between
steps lies on the GPU before the epoch starts, and a counter there says which step it is.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fewshot_fer.models.fast.conv4_gpu import for_a_graph
from fewshot_fer.system.progress import tqdm
from fewshot_fer.training.augmentation import Changes, EpochImages, prepare_batch

Sizes = tuple[int, int, int]  # steps of an epoch, episodes of a step, images of an episode


@dataclass(frozen=True)
class Step:
    """A training step on a GPU, and what it changes there.

    take: from a batch [E * images, 3, H, W] to losses [E] and predicted positions [E, Q]; modules,
    optimiser: what a step changes; dtype: of batch and losses; normalisation: kind, of embeddings.
    """

    take: Callable[[Tensor], tuple[Tensor, Tensor]]
    modules: nn.Module
    optimiser: torch.optim.Optimizer
    dtype: torch.dtype
    normalisation: str


class CapturedSteps:
    """Epochs of captured steps over images that are resident on a GPU."""

    WARM_UP = 3  # steps in front of the capture, in which libraries set themselves up

    def __init__(self, step: Step, faces: EpochImages, sizes: Sizes, n_queries: int) -> None:
        """Capture a step; weights, statistics and optimiser stay as they were.

        faces: of any epoch; n_queries: of an episode. Raises what torch does where it cannot be.
        """
        self.step, self.images, self.sizes = step, faces.images, sizes
        self.device = faces.images.device
        n_steps, n_episodes, n_images = sizes
        self.counter = torch.zeros(1, dtype=torch.int64, device=self.device)
        self.rows = self.counter.new_zeros(n_steps, n_episodes * n_images)
        self.changes = None if faces.changes is None else self._by_step(faces.changes)
        self.losses = torch.zeros(n_steps, n_episodes, dtype=step.dtype, device=self.device)
        self.predicted = self.counter.new_zeros(n_steps, n_episodes, n_queries)
        self.graph = self.capture()

    def run(
        self, faces: EpochImages, between_steps: Callable[[], None], epoch: int
    ) -> tuple[Tensor, Tensor]:
        """Take all steps of an epoch; return losses [S, E] and predicted positions [S, E, Q].

        The next epoch overwrites what is returned.
        """
        self.rows.copy_(torch.from_numpy(faces.rows).view(self.rows.shape))
        if faces.changes is not None and self.changes is not None:
            new = self._by_step(faces.changes).tensors()
            for name, kept in self.changes.tensors().items():
                kept.copy_(new[name])
        self.counter.zero_()
        steps = range(len(self.rows))
        # Up to a thousand steps ahead of the GPU, which then makes the starting of more wait.
        for _ in tqdm(steps, desc=f"epoch {epoch}", leave=False, disable=None, delay=2):
            between_steps()
            self.graph.replay()
        return self.losses, self.predicted

    def capture(self) -> torch.cuda.CUDAGraph:
        """Return the graph of a step, captured after some that leave no trace."""
        restore = remember_state(self.step.modules, self.step.optimiser)
        try:
            stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
            stream.wait_stream(torch.cuda.current_stream(self.device))
            with for_a_graph(), torch.cuda.stream(stream):
                for _ in range(self.WARM_UP):
                    self.take_step()
            torch.cuda.current_stream(self.device).wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with for_a_graph(), torch.cuda.graph(graph):
                self.take_step()
        finally:
            restore()
        return graph

    def take_step(self) -> None:
        """Take the step that the counter names, and advance the counter."""
        rows = self.rows.index_select(0, self.counter)[0]
        own = None if self.changes is None else _of_step(self.changes, self.counter)
        batch = prepare_batch(self.images.resident(rows), own, self.step.dtype)
        losses, predicted = self.step.take(batch)
        self.losses.index_copy_(0, self.counter, losses[None])
        self.predicted.index_copy_(0, self.counter, predicted[None])
        self.counter += 1
        self.counter %= len(self.rows)

    def _by_step(self, changes: Changes) -> Changes:
        """Return changes on the GPU with a leading dimension of steps: rows [S, B, H] and so on."""
        return changes.to(self.device).map(lambda each: each.view(*self.rows.shape, -1))


def remember_state(modules: nn.Module, optimiser: torch.optim.Optimizer) -> Callable[[], None]:
    """Return a function that sets weights, statistics and moments back, in the same memory."""
    weights = {key: value.clone() for key, value in modules.state_dict().items()}
    moments = {
        parameter: {key: value.clone() for key, value in state.items()}
        for parameter, state in optimiser.state.items()
    }

    def restore() -> None:
        modules.load_state_dict(weights)
        for parameter, state in optimiser.state.items():
            for key, value in state.items():
                if parameter in moments:
                    value.copy_(moments[parameter][key])
                else:  # Adam starts all of them at zero
                    value.zero_()

    return restore


def _of_step(changes: Changes, step: Tensor) -> Changes:
    """Return the changes of the step that a tensor [1] names."""
    return changes.map(lambda each: each.index_select(0, step)[0])
