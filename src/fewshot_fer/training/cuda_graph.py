"""Training steps captured as one CUDA graph, which is replayed for each step of an epoch.

A step of a small encoder is a hundred short kernels, and starting them one by one from Python takes
longer than running them. Captured once, they are started together. Everything that differs between
steps lies on the GPU before the epoch starts, and a counter there says which step it is.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fewshot_fer.models.fast.conv4_gpu import for_a_graph
from fewshot_fer.system.progress import tqdm
from fewshot_fer.training.augmentation import Changes, EpochImages, prepare_batch

log = logging.getLogger("fewshot_fer")
Sizes = tuple[int, int, int]  # steps of an epoch, episodes of a step, images of an episode


@dataclass(frozen=True)
class Step:
    """A training step on a GPU, and what it changes there.

    take: from a batch [E * images, 3, H, W], and what else differs between steps, to losses [E] and
    predicted positions [E, Q]; modules, optimiser: what a step changes; dtype: of batch and losses;
    normalisation: kind, of embeddings; pool: memory that graphs share which never run at once.
    """

    take: Callable[..., tuple[Tensor, Tensor]]
    modules: nn.Module
    optimiser: torch.optim.Optimizer
    dtype: torch.dtype
    normalisation: str = "none"
    pool: Any = None


class CapturedSteps:
    """Epochs of captured steps over images on a GPU: of all where all lie there, else of one batch,
    which is copied there before each step."""

    WARM_UP = 3  # steps in front of the capture, in which libraries set themselves up

    def __init__(
        self,
        step: Step,
        faces: EpochImages,
        sizes: Sizes,
        n_queries: int,
        others: tuple[Tensor, ...] = (),
    ) -> None:
        """Capture a step; weights, statistics and optimiser stay as they were.

        faces: of any epoch; n_queries: of an episode; others [S, ..]: what else differs between
        steps. Raises what torch does where it cannot be.
        """
        self.step, self.images, self.sizes = step, faces.images, sizes
        self.device = faces.images.device
        n_steps, n_episodes, n_images = sizes
        self.counter = torch.zeros(1, dtype=torch.int64, device=self.device)
        self.rows = self.counter.new_zeros(n_steps, n_episodes * n_images)
        self.pixels: Tensor | None = None
        if not self.images.on_device:
            self.pixels = self.images.gather(faces.rows[: n_episodes * n_images])
        self.changes = None if faces.changes is None else self._by_step(faces.changes)
        self.others = tuple(each.to(self.device, copy=True) for each in others)
        self.losses = torch.zeros(n_steps, n_episodes, dtype=step.dtype, device=self.device)
        self.predicted = self.counter.new_zeros(n_steps, n_episodes, n_queries)
        self.graph = self.capture()

    def run(
        self,
        faces: EpochImages,
        epoch: int,
        before_step: Callable[[int], None],
        after_step: Callable[[], None] | None = None,
        others: tuple[Tensor, ...] = (),
    ) -> tuple[Tensor, Tensor]:
        """Take all steps of an epoch; return losses [S, E] and predicted positions [S, E, Q].

        before_step: is given the step's number. The next epoch overwrites what is returned.
        """
        self.rows.copy_(torch.from_numpy(faces.rows).view(self.rows.shape))
        if faces.changes is not None and self.changes is not None:
            new = self._by_step(faces.changes).tensors()
            for name, kept in self.changes.tensors().items():
                kept.copy_(new[name])
        for held, given in zip(self.others, others, strict=True):
            held.copy_(given)
        self.counter.zero_()
        rows = faces.rows.reshape(self.rows.shape)
        # Up to a thousand steps ahead of the GPU, which then makes the starting of more wait.
        for number in tqdm(
            range(len(rows)), desc=f"epoch {epoch}", leave=False, disable=None, delay=2
        ):
            before_step(number)
            if self.pixels is not None:
                self.pixels.copy_(self.images.gather(rows[number]))
            self.graph.replay()
            if after_step is not None:
                after_step()
        return self.losses, self.predicted

    def capture(self) -> torch.cuda.CUDAGraph:
        """Return the graph of a step, captured after some that leave no trace."""
        restore = remember_state(self.step.modules, self.step.optimiser)
        current = torch.cuda.current_stream(self.device)
        torch.cuda.empty_cache()  # what steps before have left is of no use to another stream
        try:
            stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
            stream.wait_stream(current)
            with for_a_graph(), torch.cuda.stream(stream):
                for _ in range(self.WARM_UP):
                    self.take_step()
            current.wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with for_a_graph(), torch.cuda.graph(graph, pool=self.step.pool):
                self.take_step()
        finally:
            # A capture that fails leaves its own stream current, and a warm-up may be under way.
            torch.cuda.set_stream(current)
            torch.cuda.synchronize(self.device)
            restore()
        return graph

    def take_step(self) -> None:
        """Take the step that the counter names, and advance the counter."""
        pixels = self.pixels
        if pixels is None:
            pixels = self.images.resident(_of_step(self.rows, self.counter))
        own = None
        if self.changes is not None:
            own = self.changes.map(lambda each: _of_step(each, self.counter))
        batch = prepare_batch(pixels, own, self.step.dtype)
        others = (_of_step(each, self.counter) for each in self.others)
        losses, predicted = self.step.take(batch, *others)
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


def capture(make: Callable[[], CapturedSteps]) -> CapturedSteps | None:
    """Return captured steps or, where a step cannot be captured, None; a line then says why."""
    try:
        return make()
    except Exception as error:  # capturing must never cost a run
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        log.warning("no CUDA graph, steps are started one by one: %s", reason)
        return None


def _of_step(values: Tensor, step: Tensor) -> Tensor:
    """Return the values [..] among [S, ..] of the step that a tensor [1] names."""
    return values.index_select(0, step)[0]
