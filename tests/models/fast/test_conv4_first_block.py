"""The first block in one operation gives what its four layers give, and their gradients."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot_fer.config.model_schema import BackboneConfig
from fewshot_fer.models import build_encoder
from fewshot_fer.models.backbones.from_scratch import Conv4
from fewshot_fer.models.fast import conv4_first_block as module
from fewshot_fer.models.fast.conv4_first_block import first_block, takes


def layers(images: Tensor, convolution: nn.Module, norm: nn.Module) -> Tensor:
    return F.relu(F.max_pool2d(norm(convolution(images)), 2))


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(2, 7),
    channels=st.integers(1, 3),
    filters=st.sampled_from([1, 5, 8, 128]),
    sides=st.tuples(st.integers(2, 13), st.integers(2, 13)),
    seed=st.integers(0, 1000),
)
def test_outputs_gradients_and_statistics_are_those_of_the_layers(
    count: int, channels: int, filters: int, sides: tuple[int, int], seed: int
) -> None:
    """In float64 to rounding: odd sides, some images at a time, scales of either sign and of 0."""
    torch.manual_seed(seed)
    convolution = nn.Conv2d(channels, filters, 3, padding=1).double()
    norm = nn.BatchNorm2d(filters).double()
    with torch.no_grad():
        norm.weight.normal_()
        norm.weight[0] = 0.0 if seed % 3 == 0 else norm.weight[0]
        norm.bias.normal_()
    reference = copy.deepcopy(convolution), copy.deepcopy(norm)
    images = torch.randn(count, channels, *sides).double() * 3 + 2
    room, module.CHUNK_BYTES = module.CHUNK_BYTES, 3 * sides[0] * sides[1] * filters * 8
    try:
        ours, theirs = first_block(images, convolution, norm), layers(images, *reference)
        gradient = torch.randn(ours.shape).double()
        ours.backward(gradient)
        theirs.backward(gradient)
    finally:
        module.CHUNK_BYTES = room
    close = {"rtol": 1e-7, "atol": 1e-8}
    torch.testing.assert_close(ours, theirs, **close)
    torch.testing.assert_close(convolution.weight.grad, reference[0].weight.grad, **close)
    for name in ("weight", "bias"):
        own, their = (getattr(each, name).grad for each in (norm, reference[1]))
        torch.testing.assert_close(own, their, **close)
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        own, their = (getattr(each, name) for each in (norm, reference[1]))
        torch.testing.assert_close(own, their, **close)


def test_a_step_of_conv4_at_full_size() -> None:
    """In float32, on pictures with flat areas: the loss to 1e-5, gradients within the 1e-2 by which
    two layouts of the same convolution differ too (rounding moves maxima)."""
    torch.manual_seed(0)
    fast, plain = Conv4(fast=True), Conv4(fast=False)
    plain.load_state_dict(fast.state_dict())
    images = torch.randn(6, 3, 84, 84).contiguous(memory_format=torch.channels_last)
    images[:, :, 60:] = 0.5
    losses = []
    for encoder in (fast, plain):
        loss = encoder(images).square().mean()
        loss.backward()
        losses.append(float(loss.detach()))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for (name, own), their in zip(fast.named_parameters(), plain.parameters(), strict=True):
        if not name.startswith("convolutions") or name.endswith("weight"):  # else all is rounding:
            # batch norm takes a convolution's bias out
            assert own.grad is not None
            assert their.grad is not None
            assert (own.grad - their.grad).norm() <= 1e-2 * their.grad.norm(), name


def test_one_switch_leaves_the_plain_layers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects `fast=false`: outputs bit for bit those of the layers, and no fast path is taken."""

    def taken(*_: object) -> Tensor:
        raise AssertionError("a fast path was taken")

    monkeypatch.setattr(module, "first_block", taken)
    monkeypatch.setattr("fewshot_fer.models.fast.conv4_gpu.gpu_block", taken)
    torch.manual_seed(0)
    plain = build_encoder(BackboneConfig("conv4", filters=4), fast=False)
    reference = copy.deepcopy(plain)
    images = torch.randn(6, 3, 32, 32)
    found = plain(images)
    assert isinstance(reference, Conv4)
    for convolution, norm in zip(reference.convolutions, reference.norms, strict=True):
        images = layers(images, convolution, norm)
    assert torch.equal(found, images.flatten(1))
    with pytest.raises(AssertionError, match="was taken"):
        build_encoder(BackboneConfig("conv4", filters=4))(torch.randn(6, 3, 32, 32))


def test_where_it_cannot_stand_in() -> None:
    """A gradient to the images, another norm, or no gradient at all: the layers themselves."""
    images, convolution = torch.randn(2, 3, 8, 8), nn.Conv2d(3, 4, 3, padding=1)
    assert takes(images, convolution, nn.BatchNorm2d(4))
    assert not takes(images.clone().requires_grad_(), convolution, nn.BatchNorm2d(4))
    assert not takes(images, convolution, nn.BatchNorm2d(4, momentum=None))
    assert not takes(images, convolution, nn.SyncBatchNorm(4))
    with torch.no_grad():
        assert not takes(images, convolution, nn.BatchNorm2d(4))
