"""Conv-4 as it is evaluated on a CPU gives what its layers give, by whichever way a block goes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot_fer.evaluation.embedder import fold_batch_norms
from fewshot_fer.models.backbones.conv4 import Conv4
from fewshot_fer.models.backbones.resnet12 import ResNet12
from fewshot_fer.models.fast import conv4_eval as folded_conv4
from fewshot_fer.models.fast import winograd
from fewshot_fer.models.fast.conv4_eval import FoldedConv4
from fewshot_fer.models.fast.winograd import RowwiseConvolution, rows_needed


def trained(filters: int, seed: int = 0) -> Conv4:
    """Return a Conv4 in eval mode whose norms are not the identity; some scales are negative."""
    torch.manual_seed(seed)
    encoder = Conv4(filters).double()
    for norm in encoder.norms:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    return encoder.eval()


def fill_by_rows(
    images: Tensor, layer: tuple[Tensor, Tensor], pooled: Tensor, at_once: int
) -> None:
    """Fill pooled [B, H // 2, W // 2, F] from images [B, C, H, W], so many at a time."""
    count, channels, height, width = images.shape
    padded = images.new_zeros(count, rows_needed(height // 2), width, channels)
    padded[:, 1 : height + 1] = images.permute(0, 2, 3, 1)
    plane = padded.shape[1] // 6 * width * channels * padded.element_size()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "PLANE_BYTES", at_once * plane)
        RowwiseConvolution(*layer).fill(padded, pooled)


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 5),
    channels=st.integers(1, 4),
    filters=st.integers(1, 4),
    height=st.integers(2, 27),
    width=st.integers(2, 9),
    at_once=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_six_rows_at_a_time(
    count: int, channels: int, filters: int, height: int, width: int, at_once: int, seed: int
) -> None:
    """In float64 to rounding: any height and width, rows left over, some images at a time."""
    torch.manual_seed(seed)
    images = torch.randn(count, channels, height, width).double()
    weight, bias = torch.randn(filters, channels, 3, 3).double(), torch.randn(filters).double()
    expected = F.relu(F.max_pool2d(F.conv2d(images, weight, bias, padding=1), 2))
    pooled = torch.full((count, height // 2, width // 2, filters), torch.nan).double()
    fill_by_rows(images, (weight, bias), pooled, at_once)
    torch.testing.assert_close(pooled.permute(0, 3, 1, 2), expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 6),
    filters=st.integers(1, 6),
    side=st.integers(16, 50),
    at_once=st.integers(1, 4),
    least_rows=st.sampled_from([2, 6, 1000]),
    seed=st.integers(0, 1000),
)
def test_the_whole_encoder(
    count: int,
    filters: int,
    side: int,
    at_once: int,
    least_rows: int,
    seed: int,
) -> None:
    """In float64 to rounding, whichever blocks go six rows at a time; odd sides at any block."""
    encoder = trained(filters, seed)
    images = (
        torch.randn(count, 3, side, side).double().contiguous(memory_format=torch.channels_last)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folded_conv4, "LEAST_ROWS", least_rows)
        patch.setattr(folded_conv4, "LEAST_MAPS", 1)
        patch.setattr(folded_conv4, "CHUNK_BYTES", at_once * 4 * (side // 2) ** 2 * filters * 8)
        made = FoldedConv4(encoder)(images)
    with torch.no_grad():
        torch.testing.assert_close(made, encoder(images), rtol=1e-8, atol=1e-8)


def test_at_full_size_as_exact_as_the_layers() -> None:
    """In float32 its largest error is a few times that of the layers at most, norms folded or not.

    How large theirs is differs between processors: AVX-512 sums in other orders than AVX2.
    """
    exact, images = trained(64), torch.randn(5, 3, 84, 84).double()
    with torch.no_grad():
        expected = exact(images)
        encoder = trained(64).float()
        own, layers = FoldedConv4(encoder)(images.float()), encoder(images.float())
    assert _error(own, expected) <= 4 * _error(layers, expected)


def test_an_image_has_one_embedding() -> None:
    """Exactly the same in company of any size, across the edges of what is made at a time."""
    encoder = FoldedConv4(trained(64).float())
    images = torch.randn(37, 3, 84, 84).contiguous(memory_format=torch.channels_last)
    together = encoder(images)
    for start, end in ((0, 2), (1, 4), (30, 35), (35, 37)):
        assert torch.equal(encoder(images[start:end]), together[start:end])


def test_which_blocks_go_six_rows_at_a_time() -> None:
    """The second of 84x84, where it pays; none of few rows or few maps."""
    blocks = FoldedConv4(trained(64)).others
    assert [block.rows(side) for block, side in zip(blocks, (42, 21, 10), strict=True)] == [
        7 * 6 + 2,
        20 + 2,
        10 + 2,
    ]
    assert blocks[0].rows(40) == 7 * 6 + 2
    assert blocks[0].rows(31) == 30 + 2
    assert FoldedConv4(trained(8)).others[0].rows(40) == 40 + 2


def test_where_it_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a Conv4 in float32 on a CPU with AVX2; others are folded as ever, to the same function"""
    encoder, images = trained(4).float(), torch.randn(3, 3, 32, 32)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    own = fold_batch_norms(encoder)
    assert isinstance(own, FoldedConv4)
    assert not FoldedConv4.takes(trained(4))
    assert not FoldedConv4.takes(ResNet12())
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    folded = fold_batch_norms(encoder)
    assert not isinstance(folded, FoldedConv4)
    torch.testing.assert_close(own(images), folded(images), rtol=1e-4, atol=1e-5)


def test_a_copy_of_the_weights() -> None:
    """Training on does not reach what was folded before."""
    encoder, images = trained(4).float(), torch.randn(2, 3, 32, 32)
    folded = FoldedConv4(encoder)
    before = folded(images)
    with torch.no_grad():
        for parameter in (*encoder.parameters(), *encoder.buffers()):
            parameter.add_(1)
    assert torch.equal(folded(images), before)


def _error(made: Tensor, expected: Tensor) -> float:
    return float((made.double() - expected).abs().max())


def test_an_export_takes_any_number_of_images() -> None:
    """At the size that people train, where images go through the layers a few at a time."""
    torch.manual_seed(0)
    plain = trained(64).float()
    folded = FoldedConv4(plain)
    images = torch.randn(7, 3, 84, 84)
    batch = {0: torch.export.Dim("batch", min=1, max=4096)}
    traced = torch.export.export(folded, (images[:5],), dynamic_shapes=(batch,)).module()
    with torch.inference_mode():
        expected = plain(images)
        assert torch.allclose(traced(images), expected, rtol=1e-4, atol=1e-4 * expected.std())
