"""Augmentation keeps faces faces: ranges, repeatability, and what each switch does."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot_fer.config.train_schema import AugmentConfig
from fewshot_fer.training.augmentation import apply_changes, augmentation_random, draw_changes


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


@given(st.floats(0, 1), st.floats(0, 0.5), st.floats(0, 0.9), st.floats(0, 1), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_any_setting_gives_pixels_in_range_and_the_same_again(
    flip: float, crop: float, zoom: float, colour: float, epoch: int
) -> None:
    """0..255, the same shape, a function of seed and epoch."""
    chosen = AugmentConfig(flip=flip, crop=crop, zoom=zoom, colour=colour)
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
    images, settings = pictures(10), AugmentConfig(flip=0.5, crop=0.1, zoom=0.1, colour=0.2)
    changes = draw_changes(10, 20, settings, augmentation_random(0, 1))
    assert changes is not None
    together = apply_changes(images, changes)
    part = slice(3, 7)
    assert torch.equal(apply_changes(images[part], changes.of(part)), together[part])


def test_epochs_and_seeds_are_augmented_differently() -> None:
    """Another epoch or seed is another stream."""
    draws = {
        (seed, epoch): float(torch.rand(1, generator=augmentation_random(seed, epoch)))
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(set(draws.values())) == pytest.approx(9)
