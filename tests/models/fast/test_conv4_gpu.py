"""A block of Conv-4 on a GPU: its kernels give what the layers give, and their gradients.

Without a GPU Triton's interpreter runs the kernels; it must be asked for before torch is imported,
so in a process of its own.
"""

import copy
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot_fer.models.backbones.from_scratch import Conv4
from fewshot_fer.models.fast import conv4_gpu as gpu_block

pytest.importorskip("triton")
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
Compare = Callable[..., dict[str, float]]


@pytest.fixture(scope="module")
def kernels_process() -> Iterator[Compare]:
    """`differences` in a process where kernels can run."""
    with pytest.MonkeyPatch.context() as patch:
        if DEVICE.type == "cpu":
            patch.setenv("TRITON_INTERPRET", "1")
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            yield lambda *given: pool.submit(differences, *given).result()


def differences(
    count: int, filters: int, sides: tuple[int, int], seed: int, kind: str = "plain"
) -> dict[str, float]:
    """Return the largest difference to the layers in float64 of each output and gradient."""
    kernels = gpu_block.fused_kernels(DEVICE)
    assert kernels is not None
    torch.manual_seed(seed)
    made = torch.randn(count, filters, *sides, device=DEVICE) * 3 + 20
    if kind == "ties":
        made = made.round()
    norm = nn.BatchNorm2d(filters).to(DEVICE)
    bias = torch.randn(filters, device=DEVICE)
    with torch.no_grad():
        norm.weight.normal_()
        norm.weight[0] = 0.0 if seed % 3 == 0 else norm.weight[0]
        norm.bias.normal_()
    reference = copy.deepcopy(norm).double()
    ours, theirs = made.clone().requires_grad_(), made.double().requires_grad_()
    own_bias = bias.clone().requires_grad_()
    pooled = gpu_block.norm_pool(ours, own_bias, norm, kernels)
    expected = F.relu(F.max_pool2d(reference(theirs + bias[:, None, None].double()), 2))
    gradient = torch.randn(pooled.shape, device=DEVICE)
    pooled.backward(gradient)
    expected.backward(gradient.double())
    pairs: dict[str, tuple[Tensor | None, Tensor | None]] = {
        "pooled": (pooled, expected),
        "images": (ours.grad, theirs.grad),
        "scale": (norm.weight.grad, reference.weight.grad),
        "shift": (norm.bias.grad, reference.bias.grad),
        "bias": (own_bias.grad, torch.zeros_like(bias)),
        "running_mean": (norm.running_mean, reference.running_mean),
        "running_var": (norm.running_var, reference.running_var),
        "batches": (norm.num_batches_tracked, reference.num_batches_tracked),
    }
    return {
        name: float((one.double() - other.double()).abs().max())  # type: ignore[union-attr]
        for name, (one, other) in pairs.items()
    }


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(
    count=st.integers(1, 4),
    filters=st.sampled_from([1, 5, 8, 64, 70]),
    sides=st.tuples(st.integers(2, 13), st.integers(2, 13)),
    seed=st.integers(0, 1000),
)
def test_outputs_gradients_and_statistics_are_those_of_the_layers(
    kernels_process: Compare, count: int, filters: int, sides: tuple[int, int], seed: int
) -> None:
    """Odd sides, more channels than a program takes, scales of either sign and of 0, values far
    from 0: within what float32 holds."""
    for name, difference in kernels_process(count, filters, sides, seed).items():
        assert difference < 1e-4, name


def test_the_first_of_equal_values_is_the_one_that_learns(kernels_process: Compare) -> None:
    """As torch's max-pool has it."""
    for name, difference in kernels_process(3, 5, (8, 6), 1, "ties").items():
        assert difference < 1e-4, name


@pytest.mark.slow
def test_rows_beyond_one_round_of_programs(kernels_process: Compare) -> None:
    """More rows than PARTS programs take at once."""
    for name, difference in kernels_process(1, 1, (131, 130), 1).items():
        assert difference < 1e-4, name


class Broken:
    """Kernels that cannot be compiled."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError("Failed to find C compiler")


def test_kernels_that_cannot_be_had_cost_nothing_but_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One line says why, and torch's own layers give the same, without TF32, whose rounding is that
    of the kernel chosen for a shape."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr("fewshot_fer.models.fast.conv4_gpu_kernels", Broken(), raising=False)
    monkeypatch.setattr(gpu_block, "fused_kernels", gpu_block.fused_kernels.__wrapped__)
    torch.manual_seed(0)
    plain = Conv4(filters=8).to(DEVICE)
    ours = copy.deepcopy(plain)
    monkeypatch.setattr(gpu_block, "takes", lambda images, *_: images.requires_grad)
    images = torch.randn(6, 3, 32, 32, device=DEVICE)
    with gpu_block.for_a_graph():
        embeddings = ours(images.clone().requires_grad_())
    expected = plain(images)
    torch.testing.assert_close(embeddings, expected, rtol=1e-3, atol=1e-4)
    gradient = torch.randn(embeddings.shape, device=DEVICE)
    embeddings.backward(gradient)
    expected.backward(gradient)
    for name, weights in ours.named_parameters():
        own, theirs = weights.grad, plain.get_parameter(name).grad
        assert own is not None
        assert theirs is not None
        if name.startswith("convolutions") and name.endswith("bias"):
            assert not own.any()
        torch.testing.assert_close(own, theirs, rtol=1e-2, atol=1e-3)
    assert "Failed to find C compiler" in caplog.records[0].message
