"""What methods see of an image beside the encoder's embedding."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_networks import network, random_images, small_encoder
from torch import nn

from fewshot_fer.config.model_schema import BackboneConfig, MethodConfig
from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.config.train_schema import TrainConfig
from fewshot_fer.evaluation.views import Views
from fewshot_fer.models.backbones.registry import build_encoder
from fewshot_fer.models.methods.registry import FEATURES, MAPS, PIXELS, TRUNK, UNTRAINED
from fewshot_fer.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from fewshot_fer.system.errors import ConfigError

ROWS = np.arange(6)
SETTINGS = TrainVerb(
    backbone=BackboneConfig("conv4", filters=8, image_size=32),
    method=MethodConfig("protonet"),
    train=TrainConfig(epochs=1),
)


def views(settings: TrainVerb = SETTINGS) -> Views:
    return Views(settings, network(small_encoder()), ("anger", "fear"))


def test_pixels_are_the_pictures_themselves() -> None:
    """Scaled by ImageNet's mean and deviation, as every encoder gets them."""
    images = random_images(6)
    seen = views().embedder(PIXELS).embed(images, ROWS)
    pixels = images.gather(ROWS).double() / 255
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_STD))
    torch.testing.assert_close(seen.double(), ((pixels - mean) / std).flatten(1), rtol=0, atol=1e-5)
    assert views().width(PIXELS) == seen.shape[1]


def test_an_untrained_encoder_is_the_same_each_time() -> None:
    """Drawn by the run's seed alone, without a draw from torch's own random state."""
    images, known = random_images(6), views()
    before = torch.get_rng_state()
    seen = known.embedder(UNTRAINED).embed(images, ROWS)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(0)
    plain = build_encoder(SETTINGS.backbone).eval()
    with torch.no_grad():
        expected = plain(views().embedder(PIXELS).embed(images, ROWS).view(6, 3, 32, 32))
    torch.testing.assert_close(seen, expected, rtol=1e-4, atol=1e-5)
    other = views(replace(SETTINGS, seed=1)).embedder(UNTRAINED).embed(images, ROWS)
    assert not torch.allclose(seen, other, atol=1e-3)


def test_maps_are_embedded_once_where_embeddings_are_maps() -> None:
    known = views()
    assert known.embedder(MAPS) is known.embedder(FEATURES)
    known.release()
    assert known.embedder(MAPS) is known.embedder(FEATURES)
    taken = known.embedder(TRUNK).embed(random_images(6), ROWS)
    assert taken.shape == (6, known.width(TRUNK)) == (6, 8 * 4 * 4)


def test_a_cache_takes_the_classifier_of_the_run() -> None:
    """Compound classes are made of its rows; without a classifier one line says what to do."""
    known = views()
    with pytest.raises(ConfigError, match="needs a classifier beside the encoder"):
        known.method("tip_adapter")
    known.network.head = nn.Linear(32, 2)
    head = known.method("tip_adapter").head
    assert head is not None
    composed, found = head.of(["fear", "fearfully angry", "happiness"])
    weight, bias = known.network.head.weight, known.network.head.bias
    torch.testing.assert_close(composed[0], torch.cat([weight[1], bias[1:]]))
    torch.testing.assert_close(composed[1], torch.cat([weight.mean(dim=0), bias.mean()[None]]))
    assert found.tolist() == [True, True, False]


def test_the_packaged_network_has_a_classifier_while_nothing_is_trained() -> None:
    backbone = BackboneConfig("face_expression", image_size=32, weights="packaged")
    encoder = network(build_encoder(backbone))
    frozen = replace(SETTINGS, backbone=backbone, train=TrainConfig(epochs=0))
    head = Views(frozen, encoder, ("anger",)).method("tip_adapter").head
    assert head is not None
    assert head.prototypes.shape == (7, 257)
    with pytest.raises(ConfigError, match="this one has none"):
        Views(replace(frozen, train=TrainConfig(epochs=1)), encoder, ("anger",)).method(
            "tip_adapter"
        )
