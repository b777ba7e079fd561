"""DN4, FRN and DeepBDC against their formulas, one query, class and place at a time in float64."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot_fer.config.model_schema import BackboneConfig
from fewshot_fer.models.backbones.registry import build_encoder
from fewshot_fer.models.backbones.stages import require_stages, split
from fewshot_fer.models.methods.dn4 import DN4
from fewshot_fer.models.methods.frn import FRN, SCALE
from fewshot_fer.models.methods.method import untrained_method
from fewshot_fer.models.methods.registry import MAPS, build_logits, find_method, method_names
from fewshot_fer.models.preprocessing import Encoder, EncoderInput
from fewshot_fer.system.errors import ConfigError

WAY, QUERY = 3, 4
LOCAL = method_names(on=MAPS)


def random_maps(seed: int, shot: int, channels: int, side: int) -> tuple[Tensor, Tensor]:
    """Return flattened maps of two episodes, support [2, WAY, shot, D] and query [2, QUERY, D]."""
    random = torch.Generator().manual_seed(seed)
    shape = (channels, side, side)
    support = torch.randn(2, WAY, shot, *shape, generator=random).relu()
    query = torch.randn(2, QUERY, *shape, generator=random).relu()
    return support.flatten(3), query.flatten(2)


def places(flat: Tensor, channels: int) -> list[Tensor]:
    """Return the descriptors [C] of a picture, place by place."""
    maps = flat.double().view(channels, -1)
    return [maps[:, place] for place in range(maps.shape[1])]


def dn4_by_hand(support: Tensor, query: Tensor, channels: int) -> float:
    """Return the logit of one query [D] for one class [shot, D]."""
    total = 0.0
    of_class = [each for own in support for each in places(own, channels)]
    for descriptor in places(query, channels):
        cosines = [float(F.cosine_similarity(descriptor, own, dim=0)) for own in of_class]
        total += sum(sorted(cosines, reverse=True)[:3])
    return total


def frn_by_hand(support: Tensor, query: Tensor, channels: int, length: float) -> float:
    """Return the logit by LibFewShot's and the authors' formula, with the inverse of S S^T."""
    own = torch.stack([each for one in support for each in places(one, channels)]) / length
    asked = torch.stack(places(query, channels)) / length
    penalty = len(own) / channels + 1e-6
    inverse = torch.linalg.inv(own @ own.T + penalty * torch.eye(len(own)).double())
    rebuilt = asked @ own.T @ inverse @ own
    return -SCALE * float((asked - rebuilt).square().sum(dim=1).mean())


def bdc_by_hand(flat: Tensor, channels: int) -> Tensor:
    """Return the upper triangle of a picture's matrix, entry by entry (Xie et al., CVPR 2022)."""
    maps = flat.double().view(channels, -1)
    factor = 1 / (2 * maps.shape[1])
    apart = torch.zeros(channels, channels).double()
    for one in range(channels):
        for other in range(channels):
            squared = factor * (maps[one] - maps[other]).square().sum()
            apart[one, other] = math.sqrt(squared + 1e-5)
    ones = torch.ones(channels, channels).double() / channels
    matrix = apart - ones @ apart - apart @ ones + ones @ apart @ ones
    return torch.stack([matrix[i, j] for i in range(channels) for j in range(i, channels)])


def by_hand(name: str, support: Tensor, query: Tensor, channels: int) -> Tensor:
    """Return logits [QUERY, WAY] of one episode."""
    every = [each for own in support for one in own for each in places(one, channels)]
    length = float(torch.stack(every).square().sum(dim=1).mean().sqrt())
    logits = torch.zeros(len(query), len(support)).double()
    for row, asked in enumerate(query):
        for column, own in enumerate(support):
            if name == "dn4":
                logits[row, column] = dn4_by_hand(own, asked, channels)
            elif name == "frn":
                logits[row, column] = frn_by_hand(own, asked, channels, length)
            else:
                matrices = torch.stack([bdc_by_hand(one, channels) for one in own])
                prototype, of_query = matrices.mean(dim=0), bdc_by_hand(asked, channels)
                distance = -(prototype - of_query).square().sum()
                logits[row, column] = distance if len(own) > 1 else prototype @ of_query
    return logits


@pytest.mark.parametrize("name", LOCAL)
@pytest.mark.parametrize(
    ("shot", "channels", "side"), [(1, 6, 2), (3, 6, 2), (5, 4, 3), (1, 16, 3)]
)
def test_logits_are_those_of_the_paper(name: str, shot: int, channels: int, side: int) -> None:
    """Whether a class has more places than channels or fewer: FRN takes another way for each."""
    support, query = random_maps(shot, shot, channels, side)
    logits = untrained_method(name, channels * side**2, channels).logits(support, query)
    for episode in range(2):
        expected = by_hand(name, support[episode], query[episode], channels)
        assert (logits[episode].double() - expected).abs().max() < 1e-4


@pytest.mark.parametrize("name", LOCAL)
@settings(max_examples=8, deadline=None)
@given(st.integers(1, 4), st.integers(0, 99))
def test_no_episode_sees_another(name: str, shot: int, seed: int) -> None:
    support, query = random_maps(seed, shot, 8, 3)
    method = build_logits(name, 72, 8)
    with torch.no_grad():
        whole = method(support, query)
        alone = torch.cat([method(support[n : n + 1], query[n : n + 1]) for n in range(2)])
    assert torch.allclose(whole, alone, atol=1e-4)


@pytest.mark.parametrize("name", LOCAL)
def test_an_encoder_learns_through_them(name: str) -> None:
    """A gradient reaches the maps and every weight, and none of it is infinite."""
    support, query = random_maps(5, 2, 8, 3)
    support.requires_grad_()
    method = build_logits(name, 72, 8)
    assert isinstance(method, nn.Module)
    labels = torch.tensor([0, 1, 2, 0]).repeat(2)
    F.cross_entropy(method(support, query).flatten(0, 1), labels).backward()
    assert support.grad is not None
    for gradient in (support.grad, *(each.grad for each in method.parameters())):
        assert gradient is not None
        assert bool(torch.isfinite(gradient).all())


def test_a_place_found_again_is_as_near_as_can_be() -> None:
    """A query that is a picture of the support: DN4 finds each place, FRN rebuilds it best."""
    support, _ = random_maps(9, 1, 12, 2)
    query = support[:, :, 0]
    for method in (DN4(12), FRN(12)):
        with torch.no_grad():
            assert method(support, query).argmax(dim=2).tolist() == [[0, 1, 2]] * 2


ENCODERS = {
    "conv4": (64, 2), "resnet12": (640, 2), "face_expression": (256, 2), "resnet18": (512, 1),
    "mobilenet_v2": (1280, 1), "efficientnet_b0": (1280, 1), "convnext_tiny": (768, 1),
    "timm/resnet10t.c3_in1k": (512, 1), "timm/tf_efficientnet_lite0": (1280, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", ENCODERS)
def test_the_maps_of_an_encoder_make_its_embeddings(name: str) -> None:
    """The stages in a row are the encoder, of another picture than the one they were tried on."""
    torch.manual_seed(0)
    encoder = build_encoder(BackboneConfig(name=name, image_size=32)).eval()
    stages = require_stages(encoder, 32, "dn4")
    channels, side = ENCODERS[name]
    assert stages.shape == (channels, side, side)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        maps = stages.maps()(images)
        assert maps.shape == (2, channels * side**2)
        embedded = stages.tail(maps.view(2, *stages.shape))
        torch.testing.assert_close(embedded, encoder(images), rtol=1e-4, atol=1e-5)


def test_an_encoder_without_maps_is_refused() -> None:
    """In one line that says which encoders have some; training is as it was afterwards."""
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 7)).train()
    for encoder in (flat, Encoder(flat, EncoderInput(32))):
        assert split(encoder, 32) is None
        with pytest.raises(ConfigError, match="dn4 needs an encoder with feature maps") as no:
            require_stages(encoder, 32, "dn4")
        assert "\n" not in str(no.value)
        assert encoder.training
    transformer = build_encoder(BackboneConfig(name="vit_b_16", image_size=224))
    assert split(transformer, 224) is None


def test_too_many_channels_for_a_matrix_are_refused() -> None:
    with pytest.raises(ConfigError, match="2048 channels make a matrix"):
        untrained_method("deepbdc", 2048, 2048)
    assert find_method("deepbdc").needs_no_training
