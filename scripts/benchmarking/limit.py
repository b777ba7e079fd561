"""What the machine could do at best: matrix products and an encoder's bare convolutions."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmarking.peer_parts import textbook_encoder
from benchmarking.setting import SEED, Setting
from benchmarking.worker import seconds_of
from fewshot_fer.system.device import prepare_device

LAYOUTS = (torch.channels_last, torch.contiguous_format)
Kernel = Callable[[], object]


@dataclass(frozen=True)
class Convolution:
    """One layer's shapes. first: it sees the images themselves, so no gradient flows beyond it."""

    given: tuple[int, ...]  # [B, C, H, W]
    weight: tuple[int, ...]  # [out, C, kernel, kernel]
    made: tuple[int, ...]  # [B, out, H, W]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    groups: int
    first: bool

    @property
    def flop(self) -> int:
        """Multiplications and additions of a forward of the whole batch."""
        return 2 * _product(self.made) * _product(self.weight[1:])


class Limit:
    """What the convolutions of an encoder and a matrix product take by themselves."""

    def __init__(self, setting: Setting) -> None:
        self.device = prepare_device(setting.device, SEED)
        self.batch, side = setting.batch, setting.image_size
        self.dtype = torch.bfloat16 if setting.bf16 else torch.float32
        shape = (self.batch, 3, side, side)
        self.layers = convolutions_of(textbook_encoder(setting), shape)
        self._best: list[tuple[int, Kernel]] = []
        self._graph: Kernel | None = None

    def gemm(self, side: int) -> float:
        """Return seconds of torch.mm of `side` x `side`, the mean of five.

        Convolutions are another library's work, which may know a processor better: an encoder can
        come out above 100 % of this rate.
        """
        left, right = torch.randn(2, side, side, device=self.device)
        out = torch.empty_like(left)
        return self._mean(lambda: torch.mm(left, right, out=out), repeats=5)

    def floor(self, repeats: int) -> float:
        """Return seconds of all convolutions of a training step: forward, gradients of the weights
        and of what was given. Each in the layout that is faster for it; means of `repeats`. On a
        GPU as one captured graph, since starting a short one takes longer than running it."""
        if not self._best:
            self._best = [self._faster(*layer) for layer in self._parts()]
        if self.device.type == "cuda":
            self._graph = self._graph or self._captured()
            return self._mean(self._graph, repeats)
        return sum(times * self._mean(kernel, repeats) for times, kernel in self._best)

    def flop(self, _: int) -> float:
        """Return the multiplications and additions that the encoder's convolutions take an image"""
        return sum(times * layer.flop for layer, times in self.layers.items()) / self.batch

    def _captured(self) -> Kernel:
        """Return the replay of a graph of all convolutions."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for times, kernel in self._best:
                for _ in range(times):
                    kernel()
        return graph.replay

    def _parts(self) -> list[tuple[int, Convolution, str]]:
        return [
            (times, layer, part)
            for layer, times in self.layers.items()
            for part in ("forward", "weight", *(() if layer.first else ("given",)))
        ]

    def _faster(self, times: int, layer: Convolution, part: str) -> tuple[int, Kernel]:
        like = torch.empty(0, dtype=self.dtype, device=self.device)
        kernels = [kernel_of(layer, part, layout, like) for layout in LAYOUTS]
        return times, min(kernels, key=lambda kernel: min(self._mean(kernel, 1) for _ in range(3)))

    def _mean(self, kernel: Kernel, repeats: int) -> float:
        """Return seconds of a call. A mean, as it is for the systems that are held against it: a
        median would leave out the neighbours' share of the time here, and only here."""
        kernel()
        run = lambda: [kernel() for _ in range(repeats)]  # noqa: E731
        return seconds_of(run, self.device.type) / repeats


def convolutions_of(encoder: nn.Module, shape: tuple[int, ...]) -> Counter[Convolution]:
    """Return the convolutions of a forward over images of this shape; equal ones are counted."""
    seen: Counter[Convolution] = Counter()

    def note(layer: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d)
        assert not isinstance(layer.padding, str)
        shapes = tuple(given[0].shape), tuple(layer.weight.shape), tuple(made.shape)
        seen[Convolution(*shapes, layer.stride, layer.padding, layer.groups, not seen)] += 1

    for layer in encoder.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(note)
    with torch.no_grad():
        encoder(torch.zeros(shape))
    return seen


def kernel_of(layer: Convolution, part: str, layout: torch.memory_format, like: Tensor) -> Kernel:
    """Return a call of one convolution: its forward, or one of its two backward ones.

    like: a tensor of the device and the dtype that it computes on.
    """
    given, weight, made = (
        torch.randn(shape, device=like.device).to(like.dtype).contiguous(memory_format=layout)
        for shape in (layer.given, layer.weight, layer.made)
    )
    if part == "forward":
        how = (layer.stride, layer.padding, (1, 1), layer.groups)
        return lambda: torch.conv2d(given, weight, None, *how)
    wanted = [part == "given", part == "weight", False]
    geometry: list[Any] = [layer.stride, layer.padding, (1, 1), False, (0, 0), layer.groups]
    backward = torch.ops.aten.convolution_backward
    return lambda: backward(made, given, weight, None, *geometry, wanted)


def _product(sizes: tuple[int, ...]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product
