"""Batches of supervised epochs: mixtures and their labels, copies, quarter turns, losses."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from numpy.typing import NDArray
from small_networks import settings, training_task
from torch import Tensor

from fewshot_fer.config.train_schema import AugmentConfig
from fewshot_fer.data.packed_images import FaceImages, PackedFaces
from fewshot_fer.models.preprocessing import normalise
from fewshot_fer.training.batches import Batches, draw_batches
from fewshot_fer.training.mixing import Mixing, draw_mixing

N_CLASSES, SIDE = 4, 32
EVERYTHING = {
    "augment": AugmentConfig(0.5, 0.1, 0.1, 0.2, 10.0, 0.5, mixup=0.4, cutmix=1.0),
    "crops": 3,
    "rotation_weight": 0.5,
    "batch_size": 12,
}


def plain_images(count: int) -> FaceImages:
    """Pictures of one colour each, of which a mixture shows how much there is of either."""
    pixels = np.repeat(np.arange(count, dtype=np.uint8), 3 * SIDE**2).reshape(-1, 3, SIDE, SIDE)
    return FaceImages(PackedFaces(pixels, "plain"), torch.device("cpu"))


def batches_of(images: FaceImages, **train: object) -> tuple[Batches, NDArray[np.int64]]:
    """Draw batches over all images in order, and return them with their class numbers."""
    rows = np.arange(len(images))
    labels = rows % N_CLASSES
    return draw_batches(images, (rows, labels), settings(**train), 0, 1), labels


def parts(batches: Batches) -> Iterator[slice]:
    for start, end in pairwise(batches.edges):
        yield slice(start, end)


def mixing_of(batches: Batches) -> Mixing:
    assert batches.mixing is not None
    return batches.mixing


def colours(batch: Tensor) -> Tensor:
    """Return the numbers 0..255 of the first channel of normalised images, unrounded."""
    return (batch[:, 0].double() * 0.229 + 0.485) * 255


def test_mixup_blends_the_pixels_and_the_labels_by_lambda() -> None:
    """lambda a + (1 - lambda) b, everywhere; the shares of the labels are those of the colours."""
    augment = AugmentConfig(mixup=1.0)
    batches, labels = batches_of(plain_images(64), augment=augment, batch_size=16)
    partners = mixing_of(batches).partners
    for part in parts(batches):
        own, other = torch.arange(64)[part].double(), torch.from_numpy(partners[part]).double()
        assert set(partners[part]) == set(range(64)[part])  # each image of the batch once
        seen = colours(batches.images(part, torch.float64))
        assert float((seen - seen[:, :1, :1]).abs().max()) < 1e-3  # a blend is even
        seen = seen[:, 0, 0]
        targets = batches.targets(part, N_CLASSES)
        assert torch.allclose(targets.sum(dim=1), torch.ones(16, dtype=torch.float64))
        for place in np.flatnonzero(partners[part] != own.numpy()):
            share = float((seen[place] - other[place]) / (own[place] - other[place]))
            expected = np.zeros(N_CLASSES)
            expected[labels[part][place]] += share
            expected[labels[partners[part][place]]] += 1 - share
            np.testing.assert_allclose(targets[place], expected, atol=1e-5)


def test_cutmix_shares_labels_by_the_pixels_that_are_seen_of_each() -> None:
    """Recounted from the pixels: each is of the image or of its partner, the latter in a box."""
    augment = AugmentConfig(cutmix=1.0)
    batches, labels = batches_of(plain_images(64), augment=augment, batch_size=16)
    partners, cut = mixing_of(batches).partners, 0
    for part in parts(batches):
        seen = colours(batches.images(part, torch.float64)).round().long()
        targets = batches.targets(part, N_CLASSES)
        for place, picture in enumerate(seen):
            own, other = part.start + place, int(partners[part][place])
            assert set(picture.unique().tolist()) <= {own, other}
            share = float((picture == own).double().mean())
            expected = np.zeros(N_CLASSES)
            expected[labels[own]] += share
            expected[labels[other]] += 1 - share
            np.testing.assert_allclose(targets[place], expected, atol=1e-12)
            box = (picture == other).nonzero()
            if own != other and len(box):
                size = box.max(dim=0).values - box.min(dim=0).values + 1
                assert len(box) == int(size.prod())
                cut += 1
    assert cut > 40


def test_lambdas_are_of_beta_and_both_kinds_of_mixture_alike_often() -> None:
    """Beta(a, a) has the mean 1/2 and the variance 1 / (4 (2 a + 1))."""
    count = 20_000
    for alpha in (0.2, 1.0, 4.0):
        mixing = draw_mixing([0, count], SIDE, AugmentConfig(mixup=alpha), 0, 1)
        assert mixing is not None
        assert mixing.shares.mean() == pytest.approx(0.5, abs=0.01)
        assert mixing.shares.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.03)
    mixing = draw_mixing([0, count], SIDE, AugmentConfig(mixup=0.2, cutmix=1.0), 0, 1)
    assert mixing is not None
    assert (mixing.weights == 1).mean() == pytest.approx(0.5, abs=0.02)
    assert draw_mixing([0, count], SIDE, AugmentConfig(flip=0.5), 0, 1) is None


@given(st.integers(2, 40), st.floats(0.0, 3.0), st.floats(0.0, 3.0), st.integers(1, 99))
@examples(max_examples=40, deadline=None)
def test_any_mixture_stays_within_its_batch_and_its_shares_in_range(
    size: int, mixup: float, cutmix: float, epoch: int
) -> None:
    """Partners permute a batch, and the same seed and epoch draw the same again."""
    edges, chosen = [0, size, 2 * size + 1], AugmentConfig(mixup=mixup, cutmix=cutmix)
    mixing = draw_mixing(edges, SIDE, chosen, 3, epoch)
    if mixing is None:
        assert mixup == cutmix == 0
        return
    for start, end in pairwise(edges):
        assert sorted(mixing.partners[start:end]) == list(range(start, end))
    assert ((mixing.shares >= 0) & (mixing.shares <= 1)).all()
    again = draw_mixing(edges, SIDE, chosen, 3, epoch)
    assert again is not None
    for name, value in vars(mixing).items():
        np.testing.assert_array_equal(value, vars(again)[name])


def test_copies_of_an_image_stand_side_by_side_and_are_changed_differently() -> None:
    """Batches are of batch_size images, so many times over, and each image has its label."""
    images, _ = training_task()
    batches, labels = batches_of(images, crops=3, batch_size=16)
    sizes = [part.stop - part.start for part in parts(batches)]
    assert sizes == [3 * 14, 3 * 13, 3 * 13]  # 40 images, in batches of at most 16
    assert np.array_equal(batches.faces.rows, np.repeat(np.arange(40), 3))
    assert np.array_equal(batches.labels, np.repeat(labels, 3))
    seen = torch.cat([batches.images(part, torch.float32) for part in parts(batches)])
    copies = seen.unflatten(0, (40, 3))  # type: ignore[no-untyped-call]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert (copies[:, one] != copies[:, other]).flatten(1).any(dim=1).all()


def test_quarter_turns_are_those_of_torch_and_four_copies_show_all() -> None:
    images, _ = training_task()
    plain = {"augment": AugmentConfig(), "rotation_weight": 1.0, "batch_size": 40}
    batches, _ = batches_of(images, **plain)
    turns = batches.turns
    assert turns is not None
    assert set(turns) == {0, 1, 2, 3}
    seen = batches.images(slice(0, 40), torch.float32)
    upright = normalise(images.gather(np.arange(40)))
    for picture, before, turn in zip(seen, upright, turns.tolist(), strict=True):
        assert torch.equal(picture, torch.rot90(before, turn, (1, 2)))
    batches, _ = batches_of(images, crops=4, **plain)
    assert batches.turns is not None
    assert (np.sort(batches.turns.reshape(-1, 4), axis=1) == np.arange(4)).all()


def test_ranks_see_the_images_and_labels_of_one_process() -> None:
    """Each takes a part of a batch, whose partners may be on another; and each epoch is its own."""
    images, _ = training_task()
    batches, _ = batches_of(images, **EVERYTHING)
    for part in parts(batches):
        middle = part.start + 5
        shares = [slice(part.start, middle), slice(middle, part.stop)]
        whole = batches.images(part, torch.float32)
        halves = [batches.images(share, torch.float32) for share in shares]
        assert torch.equal(whole, torch.cat(halves))
        assert whole.is_contiguous(memory_format=torch.channels_last)
        targets = [batches.targets(share, N_CLASSES) for share in shares]
        assert torch.equal(batches.targets(part, N_CLASSES), torch.cat(targets))
    rows = (np.arange(40), np.arange(40) % N_CLASSES)
    other = draw_batches(images, rows, settings(**EVERYTHING), 0, 2)
    assert not torch.equal(other.images(slice(0, 5), torch.float32), halves[0][:5])


@pytest.mark.parametrize("n_ranks", [1, 2, 3])
def test_what_ranks_predicted_comes_back_in_the_order_of_the_images(
    n_ranks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent once, rank by rank, from shares of batches that no count of ranks divides evenly."""
    batches, _ = batches_of(training_task()[0], batch_size=7)
    monkeypatch.setattr("fewshot_fer.training.batches.world", lambda: n_ranks)
    monkeypatch.setattr("fewshot_fer.system.ranks.world", lambda: n_ranks)
    values = np.arange(batches.edges[-1]) * 3
    shares = [np.array_split(values[part], n_ranks) for part in parts(batches)]
    by_rank = np.concatenate([share[rank] for rank in range(n_ranks) for share in shares])
    np.testing.assert_array_equal(batches.in_order(by_rank), values)
