"""What is compiled from rows.c gives what torch's own operations give, and may be missing."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_conv4_eval import fill_by_rows
from torch.nn import functional as F

from fewshot_fer.models.backbones.conv4 import Conv4
from fewshot_fer.models.fast import compiled_rows as module
from fewshot_fer.models.fast import conv4_eval as folded_conv4
from fewshot_fer.models.fast import winograd
from fewshot_fer.models.fast.compiled_rows import CompiledRows, compiled_rows
from fewshot_fer.models.fast.conv4_eval import FoldedConv4
from fewshot_fer.models.fast.winograd import RowwiseConvolution, rows_needed

ROWS = compiled_rows()
NEEDED = pytest.mark.skipif(ROWS is None, reason="needs GCC on Linux")


@NEEDED
@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 5),
    channels=st.sampled_from([1, 3, 8, 33]),
    filters=st.sampled_from([1, 5, 8, 19]),
    height=st.integers(2, 27),
    width=st.integers(2, 9),
    at_once=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_six_rows_at_a_time(
    count: int, channels: int, filters: int, height: int, width: int, at_once: int, seed: int
) -> None:
    """To what float32 holds: any size, rows left over, some images at a time, a target that is part
    of a larger one, of which nothing else is written to."""
    torch.manual_seed(seed)
    images = torch.randn(count, channels, height, width)
    weight, bias = torch.randn(filters, channels, 3, 3), torch.randn(filters)
    exact = F.conv2d(images.double(), weight.double(), bias.double(), padding=1)
    expected = F.relu(F.max_pool2d(exact, 2)).float()
    room = torch.full((count, height // 2 + 2, width // 2, filters), torch.nan)
    fill_by_rows(images, (weight, bias), room[:, 1:-1], at_once)
    scale = float(exact.abs().max())
    torch.testing.assert_close(
        room[:, 1:-1].permute(0, 3, 1, 2), expected, rtol=1e-4, atol=2e-5 * scale
    )
    assert room[:, [0, -1]].isnan().all()


@NEEDED
@settings(max_examples=40, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 4), *[st.integers(2, 11)] * 2, st.sampled_from([1, 7, 8, 20])),
    seed=st.integers(0, 1000),
)
def test_pool(sizes: tuple[int, int, int, int], seed: int) -> None:
    """To the bit; what is no number stays none."""
    assert ROWS is not None
    torch.manual_seed(seed)
    made = torch.randn(sizes)
    made[0, 0, 0, 0] = torch.nan
    made[0, 1, 1, -1] = torch.nan
    expected = F.relu(F.max_pool2d(made.permute(0, 3, 1, 2), 2)).permute(0, 2, 3, 1)
    pooled = torch.full(expected.shape, -1.0)
    ROWS.pool(made, pooled)
    assert torch.equal(pooled.nan_to_num(-2), expected.nan_to_num(-2))


@NEEDED
def test_no_number_stays_none_in_six_rows() -> None:
    """A weight that exploded must be seen in the loss, not hidden by a maximum."""
    images = torch.zeros(1, rows_needed(3), 4, 2)
    images[0, 2, 1, 0] = torch.inf
    pooled = torch.zeros(1, 3, 2, 3)
    RowwiseConvolution(torch.randn(3, 2, 3, 3), torch.zeros(3)).fill(images, pooled)
    assert pooled[0, 0].isnan().any()


@NEEDED
def test_the_whole_encoder_with_and_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same embeddings up to rounding, at the size that is used."""
    torch.manual_seed(0)
    encoder = Conv4().eval()
    images = torch.randn(5, 3, 84, 84).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        own = FoldedConv4(encoder)(images)
        for where in (folded_conv4, winograd):
            monkeypatch.setattr(where, "compiled_rows_for", lambda _: None)
        plain = FoldedConv4(encoder)(images)
    assert not torch.equal(own, plain)
    torch.testing.assert_close(own, plain, rtol=1e-4, atol=1e-5)


def without(monkeypatch: pytest.MonkeyPatch) -> CompiledRows | None:
    monkeypatch.delenv("FEWSHOT_FER_COMPILE", raising=False)
    return compiled_rows.__wrapped__()


def test_without_a_compiler_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nor with one that fails, or makes no library; all without a word or an error."""
    monkeypatch.setattr(module, "COMPILER", "no-such-compiler")
    assert without(monkeypatch) is None
    for text in ("exit 1", 'for last; do :; done; echo nonsense >"$last"'):
        broken = tmp_path / "broken"
        broken.write_text(f"#!/bin/sh\n{text}\n")
        broken.chmod(0o755)
        monkeypatch.setattr(module, "COMPILER", str(broken))
        assert without(monkeypatch) is None


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWSHOT_FER_COMPILE", "0")
    assert compiled_rows.__wrapped__() is None


@NEEDED
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_one_openmp_for_torch_and_what_is_compiled() -> None:
    """Two would wait for one another's threads at every operation."""
    code = (
        "from fewshot_fer.models.fast import compiled_rows as module\n"
        "assert module.compiled_rows() is not None\n"
        "print(len(module._openmp_libraries()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1"]


@NEEDED
def test_threads_of_its_own_are_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is beside a torch whose OpenMP is another one."""
    found = iter([{"/lib/libiomp5.so"}, {"/lib/libiomp5.so", "/lib/libgomp.so.1"}])
    monkeypatch.setattr(module, "_openmp_libraries", lambda: next(found))
    assert without(monkeypatch) is None
