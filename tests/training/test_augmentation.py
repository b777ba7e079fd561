"""Augmentation keeps faces faces: ranges, repeatability, and what each switch does."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import CHANGED

from fewshot_fer.config.train_schema import AugmentConfig
from fewshot_fer.models.preprocessing import normalise
from fewshot_fer.training.augmentation import (
    Changes,
    apply_changes,
    augmentation_random,
    draw_changes,
    prepare_batch,
)


def augment(images: torch.Tensor, settings: AugmentConfig, random: torch.Generator) -> torch.Tensor:
    changes = draw_changes(len(images), images.shape[3], settings, random)
    return images.float() if changes is None else apply_changes(images, changes)


def pictures(count: int = 6, side: int = 20) -> torch.Tensor:
    random = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=random)


def test_all_zero_changes_nothing() -> None:
    """The classic preset trains on the pixels as they are."""
    images = pictures()
    assert torch.equal(augment(images, AugmentConfig(), augmentation_random(0, 1)), images.float())


def test_flip_mirrors_left_and_right() -> None:
    """flip=1 mirrors every image, flip=0.5 about half of them and leaves the others alone."""
    images = pictures(400, side=6)
    mirrored = augment(images, AugmentConfig(flip=1.0), augmentation_random(0, 1))
    assert torch.equal(mirrored, images.flip(3).float())
    half = augment(images, AugmentConfig(flip=0.5), augmentation_random(0, 1))
    flipped = (half == images.flip(3)).flatten(1).all(1)
    assert (flipped | (half == images).flatten(1).all(1)).all()
    assert 150 < int(flipped.sum()) < 250


def test_crop_shifts_by_whole_pixels_within_bounds() -> None:
    """A shifted image is the old one moved by at most the asked share, edges repeated."""
    images = pictures(50)
    moved = augment(images, AugmentConfig(crop=0.1), augmentation_random(0, 1))
    padded = torch.nn.functional.pad(images.float(), (2, 2, 2, 2), mode="replicate")
    offsets = set()
    for before, after in zip(padded, moved, strict=True):
        found = [
            (y, x)
            for y in range(5)
            for x in range(5)
            if torch.equal(before[:, y : y + 20, x : x + 20], after)
        ]
        assert found
        offsets.add(found[0])
    assert len(offsets) > 10


def test_colour_keeps_hue_of_grey() -> None:
    """Brightness, contrast and saturation leave a grey image grey, and change a coloured one."""
    grey = pictures(8)[:, :1].expand(-1, 3, -1, -1).contiguous()
    settings = AugmentConfig(colour=0.5)
    changed = augment(grey, settings, augmentation_random(0, 1))
    torch.testing.assert_close(changed[:, 0], changed[:, 1], rtol=0, atol=1e-2)
    assert not torch.allclose(changed, grey.float())


SHARES = (st.floats(0, 1), st.floats(0, 0.5), st.floats(0, 0.9), st.floats(0, 1))


@given(*SHARES, st.floats(0, 180), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_any_setting_gives_pixels_in_range_and_the_same_again(
    flip: float, crop: float, zoom: float, colour: float, rotate: float, epoch: int
) -> None:
    """0..255, the same shape, a function of seed and epoch."""
    chosen = AugmentConfig(flip=flip, crop=crop, zoom=zoom, colour=colour, rotate=rotate)
    images = pictures()
    first = augment(images, chosen, augmentation_random(5, epoch))
    assert first.shape == images.shape
    assert first.min() >= 0
    assert first.max() <= 255
    assert torch.equal(first, augment(images, chosen, augmentation_random(5, epoch)))


def test_colours_are_changed_in_three_plain_steps() -> None:
    """Brightness, then contrast about the mean grey, then saturation about a pixel's own grey."""
    images, settings = pictures(6), AugmentConfig(colour=0.6)
    changes = draw_changes(6, 20, settings, augmentation_random(3, 2))
    assert changes is not None
    assert changes.factors is not None
    for number, (brightness, contrast, saturation) in enumerate(changes.factors.double()):
        weights = torch.tensor([0.299, 0.587, 0.114]).double()[:, None, None]
        image = images[number].double() * brightness
        image = contrast * image + (1 - contrast) * (weights * image).sum(dim=0).mean()
        image = saturation * image + (1 - saturation) * (weights * image).sum(dim=0)
        found = apply_changes(images, changes)[number].double()
        torch.testing.assert_close(found, image.clamp(0, 255), rtol=0, atol=1e-3)


def test_a_batch_is_changed_alone_as_among_others() -> None:
    """Changes belong to the images, however an epoch is cut into batches."""
    images = pictures(10)
    changes = draw_changes(10, 20, CHANGED, augmentation_random(0, 1))
    assert changes is not None
    together = prepare_batch(images, changes, torch.float32)
    part = slice(3, 7)
    alone = prepare_batch(images[part], changes.of(part), torch.float32)
    assert torch.equal(alone, together[part])


@pytest.mark.parametrize("side", [20, 21])
def test_zoom_takes_the_nearest_pixel_about_the_middle(side: int) -> None:
    """The source of a pixel is its place from the middle, times the scale of its image."""
    images, chosen = pictures(8, side), AugmentConfig(zoom=0.4)
    zoomed = augment(images, chosen, augmentation_random(0, 1))
    scales = 1 + 0.4 * (2 * torch.rand(8, generator=augmentation_random(0, 1)) - 1)
    middle, edge = (side - 1) / 2, side - 1
    for image, scale, found in zip(images, scales.tolist(), zoomed, strict=True):
        places = [min(edge, max(0, round((i - middle) * scale + middle))) for i in range(side)]
        assert torch.equal(found, image[:, places][:, :, places].float())


def turned_by(images: torch.Tensor, degrees: float) -> torch.Tensor:
    """Rotate all images by the same angle, with nothing else changed."""
    places = torch.arange(images.shape[3]).expand(len(images), -1).short()
    angle = math.radians(degrees)
    angles = torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
    return apply_changes(images, Changes(places, places, angles=angles.expand(len(images), 2)))


@pytest.mark.parametrize("side", [20, 21])
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_rotation_by_quarters_is_that_of_torch(side: int, quarters: int) -> None:
    images = pictures(3, side)
    expected = torch.rot90(images, quarters, (2, 3)).float()
    assert torch.equal(turned_by(images, 90 * quarters), expected)


def test_rotation_takes_the_nearest_pixel_of_the_picture_that_the_others_give() -> None:
    """Pixel by pixel, anticlockwise about the middle; flip, shift and zoom come first."""
    images = pictures(2, side=15)
    turned = turned_by(images, 25)
    cosine, sine = math.cos(math.radians(25)), math.sin(math.radians(25))
    for row in range(15):
        for column in range(15):
            down = round(cosine * (row - 7) + sine * (column - 7) + 7)
            right = round(cosine * (column - 7) - sine * (row - 7) + 7)
            source = images[:, :, min(14, max(0, down)), min(14, max(0, right))]
            assert torch.equal(turned[:, :, row, column], source.float())
    changes = draw_changes(
        2, 15, AugmentConfig(0.5, 0.2, 0.3, rotate=40), augmentation_random(0, 1)
    )
    assert changes is not None
    moved = apply_changes(images, replace(changes, angles=None)).byte()
    places = torch.arange(15).expand(2, -1).short()
    rotated = apply_changes(moved, Changes(places, places, angles=changes.angles))
    assert torch.equal(apply_changes(images, changes), rotated)


def test_angles_fill_their_range_to_both_sides() -> None:
    changes = draw_changes(4000, 8, AugmentConfig(rotate=15.0), augmentation_random(0, 1))
    assert changes is not None
    assert changes.angles is not None
    angles = torch.rad2deg(torch.atan2(changes.angles[:, 1], changes.angles[:, 0]))
    assert angles.abs().max() <= 15
    assert float(angles.mean()) == pytest.approx(0, abs=0.5)
    assert float(angles.std()) == pytest.approx(30 / math.sqrt(12), rel=0.03)


def test_erasing_fills_a_box_of_the_published_size_with_the_mean_colour() -> None:
    """In half of the images, 2 to 33 % of the pixels, 0.3 to 3.3 times as high as wide; the rest of
    the image stays as it was."""
    images, side = pictures(1000, side=40), 40
    changes = draw_changes(1000, side, AugmentConfig(erase=0.5), augmentation_random(0, 1))
    prepared = prepare_batch(images, changes, torch.float32)
    kept = (prepared == normalise(images)).all(dim=1)
    erased = (~kept).flatten(1).any(dim=1)
    assert 430 < int(erased.sum()) < 570
    assert not prepared.permute(0, 2, 3, 1)[~kept].any()  # ImageNet's mean, once normalised
    areas, places = [], []
    for gone in ~kept[erased]:
        rows, columns = gone.any(dim=1).nonzero()[:, 0], gone.any(dim=0).nonzero()[:, 0]
        height, width = (int(each[-1] - each[0]) + 1 for each in (rows, columns))
        assert int(gone.sum()) == height * width  # one box
        assert 0.3 * (width - 0.5) <= height + 0.5  # edges are rounded to pixels
        assert height - 0.5 <= 3.3 * (width + 0.5)
        areas.append(height * width / side**2)
        places.append(float(rows[0] + height / 2))
    assert min(areas) > 0.015
    assert max(areas) < 0.35
    assert sum(areas) / len(areas) == pytest.approx((0.02 + 0.33) / 2, rel=0.06)
    assert sum(places) / len(places) == pytest.approx(side / 2, abs=1.5)


def test_settings_of_later_leave_the_draws_of_others_as_they_were() -> None:
    """A run with rotation or erasing flips and shifts the same images as one without."""
    plain = draw_changes(9, 20, AugmentConfig(0.5, 0.1, 0.1, 0.2), augmentation_random(4, 2))
    more = draw_changes(9, 20, CHANGED, augmentation_random(4, 2))
    assert plain is not None
    assert more is not None
    for name, value in plain.tensors().items():
        assert torch.equal(value, more.tensors()[name])
    assert set(more.tensors()) - set(plain.tensors()) == {"angles", "erased"}


def test_epochs_and_seeds_are_augmented_differently() -> None:
    """Another epoch or seed is another stream."""
    draws = {
        (seed, epoch): float(torch.rand(1, generator=augmentation_random(seed, epoch)))
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(set(draws.values())) == pytest.approx(9)
