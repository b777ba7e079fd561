"""Embeddings: alone or in company, folded or not, from memory or disk, in scarce memory."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_networks import random_images, small_encoder
from torch import nn

from fewshot_fer.config.model_schema import BackboneConfig
from fewshot_fer.evaluation import embedder as embedding
from fewshot_fer.evaluation.embedder import Embedder, fold_batch_norms
from fewshot_fer.models import build_encoder


def test_an_image_alone_is_embedded_as_in_company() -> None:
    """Exactly: a picture that is classified alone gets the answer that it had in the evaluation."""
    images, embedder = random_images(37), Embedder(small_encoder())
    together = embedder.embed(images, np.arange(37))
    for row in range(37):
        alone = Embedder(small_encoder()).embed(images, np.array([row]))
        assert torch.equal(alone[0], together[row])


def test_each_image_is_embedded_once_and_only_if_drawn() -> None:
    """Several tests on one table share embeddings, and images never drawn are never embedded."""
    images, encoder = random_images(50), small_encoder()
    seen: list[int] = []
    embedder = Embedder(encoder)
    forward = embedder.encode_pixels
    embedder.encode_pixels = lambda pixels: seen.append(len(pixels)) or forward(pixels)  # type: ignore[method-assign,func-returns-value]
    first = embedder.embed(images, np.array([3, 5, 8]))
    second = embedder.embed(images, np.array([3, 8, 9]))
    assert seen == [3, 1]
    torch.testing.assert_close(first[[0, 2]], second[:2])


def test_evaluation_leaves_the_encoder_as_it_was() -> None:
    """Validation neither moves batch-norm statistics nor leaves the encoder in eval mode."""
    images, encoder = random_images(20), small_encoder().train()
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    Embedder(encoder).embed(images, np.arange(20))
    assert encoder.training
    for key, value in encoder.state_dict().items():
        assert torch.equal(value, before[key])


def test_training_on_does_not_change_an_embedder() -> None:
    """Its weights are a copy, so what it embeds later still belongs to the same state."""
    images, encoder = random_images(6), small_encoder()
    embedder = Embedder(encoder)
    before = embedder.embed(images, np.arange(3))
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(1)
    after = embedder.embed(images, np.arange(6))
    assert torch.equal(after[:3], before)
    torch.testing.assert_close(after, Embedder(small_encoder()).embed(images, np.arange(6)))


def test_kept_embeddings_spare_every_forward(tmp_path: Path) -> None:
    """A second command with the same weights embeds only what the first did not."""
    images = random_images(9)
    first = Embedder(small_encoder(), keep_in=tmp_path / "kept").embed(images, np.arange(1, 7))
    seen: list[int] = []
    again = Embedder(small_encoder(), keep_in=tmp_path / "kept")
    forward = again.encode_pixels
    again.encode_pixels = lambda pixels: seen.append(len(pixels)) or forward(pixels)  # type: ignore[method-assign,func-returns-value]
    assert torch.equal(again.embed(images, np.arange(1, 7)), first)
    assert seen == []
    again.embed(images, np.arange(9))
    assert seen == [3]


def test_other_weights_or_images_find_nothing_kept(tmp_path: Path) -> None:
    """Kept embeddings are those of one state of the weights and of one table."""
    images = random_images(4)
    Embedder(small_encoder(), keep_in=tmp_path).embed(images, np.arange(4))
    other = small_encoder()
    with torch.no_grad():
        next(other.parameters()).add_(1)
    moved = Embedder(other, keep_in=tmp_path).embed(images, np.arange(4))
    torch.testing.assert_close(moved, Embedder(other).embed(images, np.arange(4)))
    assert len(list(tmp_path.iterdir())) == 2
    images.fingerprint = "another"
    Embedder(other, keep_in=tmp_path).embed(images, np.arange(4))
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "text"])
def test_damaged_kept_embeddings_are_made_again(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A flipped byte is found: never a wrong figure, and the file is whole afterwards."""
    images = random_images(5)
    right = Embedder(small_encoder(), keep_in=tmp_path).embed(images, np.arange(5))
    (file,) = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    place = content.find(right.numpy().tobytes()[:32])
    assert place > 0
    content[place + 5] ^= 0x40
    damaged = {"flip": bytes(content), "cut": content[:200], "empty": b"", "text": b"hello"}
    file.write_bytes(damaged[damage])
    assert torch.equal(
        Embedder(small_encoder(), keep_in=tmp_path).embed(images, np.arange(5)), right
    )
    assert "made again" in caplog.text
    caplog.clear()
    Embedder(small_encoder(), keep_in=tmp_path).embed(images, np.arange(5))
    assert not caplog.text


def test_a_folder_that_cannot_be_written_costs_only_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A run on a read-only disk can still be tested."""
    (tmp_path / "file").write_text("in the way")
    Embedder(small_encoder(), keep_in=tmp_path / "file").embed(random_images(3), np.arange(3))
    assert "not kept" in caplog.text


def test_scarce_memory_halves_the_batches(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Memory that is too small is said once a halving, and changes no embedding."""
    images, embedder = random_images(40), Embedder(small_encoder())
    right = embedder.embed(images, np.arange(40))
    scarce = Embedder(small_encoder())
    forward = scarce.encode_pixels

    def at_most_five(pixels: torch.Tensor) -> torch.Tensor:
        if len(pixels) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(pixels)

    monkeypatch.setattr(embedding, "BATCH_PIXELS", {"cpu": 20 * 32 * 32})
    monkeypatch.setattr(scarce, "encode_pixels", at_most_five)
    assert torch.equal(scarce.embed(images, np.arange(40)), right)
    assert "5 images at a time in the place of 10" in caplog.text
    monkeypatch.setattr(scarce, "encode_pixels", lambda _: (_ for _ in ()).throw(RuntimeError("x")))
    other = random_images(41)
    other.fingerprint = "other"
    with pytest.raises(RuntimeError, match="x"):
        scarce.embed(other, np.arange(41))


@pytest.mark.parametrize("name", ["conv4", "resnet18"])
def test_folded_batch_norms_change_nothing(name: str) -> None:
    """After training has moved the running statistics, and without touching the original."""
    encoder = build_encoder(BackboneConfig(name=name, filters=16, image_size=64))
    for _ in range(3):
        encoder(torch.randn(8, 3, 64, 64) * 3 + 1)
    folded = fold_batch_norms(encoder)
    assert encoder.training
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    images = torch.randn(5, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(folded(images), encoder.eval()(images), rtol=1e-4, atol=1e-4)


class Untraceable(nn.Module):
    """An encoder whose way through depends on its input, which no tracing can follow."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if images.sum() > 0:
            images = images * 2
        normed: torch.Tensor = self.norm(images)
        return normed.flatten(1)


def test_an_encoder_that_cannot_be_folded_is_used_as_it_is() -> None:
    """It is slower, not wrong, and in eval mode."""
    encoder = Untraceable()
    folded = fold_batch_norms(encoder)
    images = torch.rand(4, 3, 8, 8)
    torch.testing.assert_close(folded(images), encoder.eval()(images))
