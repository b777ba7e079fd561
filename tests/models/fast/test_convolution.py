"""Weights that learn through matrix products learn what the library's own would teach them."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fewshot_fer.models.backbones.conv4 import Conv4
from fewshot_fer.models.fast import convolution as module
from fewshot_fer.models.fast.convolution import convolve, is_faster


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(1, 7),
    channels=st.integers(1, 5),
    filters=st.integers(1, 6),
    sides=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    at_once=st.integers(1, 4),
    bias=st.booleans(),
    layout=st.sampled_from([torch.channels_last, torch.contiguous_format]),
    seed=st.integers(0, 1000),
)
def test_gradients_are_the_librarys(
    count: int,
    channels: int,
    filters: int,
    sides: tuple[int, int],
    at_once: int,
    bias: bool,
    layout: torch.memory_format,
    seed: int,
) -> None:
    """In float64 to rounding: any side, one pixel too, and some images at a time."""
    torch.manual_seed(seed)
    ours = nn.Conv2d(channels, filters, 3, padding=1, bias=bias).double()
    theirs = copy.deepcopy(ours)
    images = torch.randn(count, channels, *sides).double().contiguous(memory_format=layout)
    seen = [images.clone().requires_grad_() for _ in range(2)]
    room, module.CHUNK_BYTES = module.CHUNK_BYTES, at_once * sides[0] * sides[1] * 9 * channels * 8
    try:
        made, expected = convolve(seen[0], ours), theirs(seen[1])
        gradient = torch.randn(made.shape).double()
        made.backward(gradient)
        expected.backward(gradient)
    finally:
        module.CHUNK_BYTES = room
    torch.testing.assert_close(made, expected)
    torch.testing.assert_close(seen[0].grad, seen[1].grad)
    for own, their in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(own.grad, their.grad)


def test_a_step_of_conv4(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conv-4 goes this way where it is faster, and learns the same; frozen weights get nothing."""
    torch.manual_seed(0)
    fast, plain = Conv4(8).double(), Conv4(8).double()
    plain.load_state_dict(fast.state_dict())
    images = torch.randn(6, 3, 48, 48).double().contiguous(memory_format=torch.channels_last)
    taken = []
    for encoder, faster in ((fast, True), (plain, False)):
        monkeypatch.setattr(
            "fewshot_fer.models.backbones.conv4.is_faster", lambda *_, faster=faster: faster
        )
        encoder.convolutions[2].weight.requires_grad_(False)  # type: ignore[union-attr]
        embedded = encoder(images)
        taken.append("_Convolution" in graph_of(embedded))
        embedded.square().mean().backward()
    assert taken == [True, False]
    assert fast.convolutions[2].weight.grad is None
    for own, their in zip(fast.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(own.grad, their.grad, rtol=1e-7, atol=1e-10)


def graph_of(made: torch.Tensor) -> str:
    """Return the names of what a backward goes through."""
    seen, left = [], [made.grad_fn]
    while left:
        node = left.pop()
        if node is not None:
            seen.append(type(node).__name__)
            left += [each for each, _ in node.next_functions]
    return " ".join(seen)


def test_where_it_does_not_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a gradient, or for another layer: torch's own."""
    images, layer = torch.randn(2, 3, 8, 8), nn.Conv2d(3, 4, 3, padding=1)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert not is_faster(images, layer)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert is_faster(images, layer)
    with torch.no_grad():
        assert not is_faster(images, layer)
    with torch.autocast("cpu", torch.bfloat16):
        assert not is_faster(images, layer)
    assert not is_faster(images, nn.LazyConv2d(4, 3))
    assert not is_faster(images.to("meta"), layer)
