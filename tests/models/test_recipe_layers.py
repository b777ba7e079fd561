"""What recipes change of an encoder: blocks that drop out, and its weights stage by stage."""

import pytest
import torch
from torch import nn

from fewshot_fer.config.model_schema import BackboneConfig
from fewshot_fer.config.train_schema import TrainConfig
from fewshot_fer.models import build_encoder
from fewshot_fer.models.backbones.drop_block import DropBlock
from fewshot_fer.models.backbones.stage_weights import require_named_weights, stage_weights
from fewshot_fer.models.preprocessing import Encoder, EncoderInput
from fewshot_fer.system.errors import ConfigError


def expected_kept(height: int, width: int, side: int, rate: float) -> float:
    """Return the mean share of pixels that no block covers, counted pixel by pixel."""
    high, wide = min(side, height), min(side, width)
    places = [(i, j) for i in range(height - high + 1) for j in range(width - wide + 1)]
    start = rate / (high * wide) * height * width / len(places)  # the paper's gamma
    kept = 0.0
    for row in range(height):
        for column in range(width):
            over = [1 for i, j in places if i <= row < i + high and j <= column < j + wide]
            kept += (1 - start) ** len(over)
    return kept / (height * width)


@pytest.mark.parametrize(
    ("height", "width", "side"), [(10, 10, 5), (5, 5, 5), (7, 4, 3), (2, 2, 5)]
)
def test_blocks_drop_out_in_the_share_and_shape_of_the_paper(
    height: int, width: int, side: int
) -> None:
    """By brute force: every zero lies in a square of zeros inside the map, each map has its own,
    and the mean over everything stays."""
    torch.manual_seed(0)
    maps = torch.ones(40, 30, height, width)
    given = DropBlock(0.2, side).train()(maps)
    zeros = given == 0
    high, wide = min(side, height), min(side, width)
    whole = zeros.unfold(2, high, 1).unfold(3, wide, 1).all(dim=-1).all(dim=-1)  # of zeros alone
    covered = torch.zeros_like(zeros)
    for image, channel, i, j in whole.nonzero().tolist():
        covered[image, channel, i : i + high, j : j + wide] = True
    assert torch.equal(covered, zeros)
    kept = float((~zeros).float().mean())
    assert kept == pytest.approx(expected_kept(height, width, side, 0.2), abs=0.02)
    assert float(given.mean()) == pytest.approx(1, abs=1e-5)
    assert len({tuple(each.flatten().tolist()) for each in zeros.flatten(0, 1)}) > 1


def test_a_block_that_drops_nothing_is_the_identity() -> None:
    """In evaluation, and at rate 0 in training; so is ResNet-12 with it in evaluation."""
    maps = torch.randn(2, 3, 6, 6)
    assert DropBlock(0.5).eval()(maps) is maps
    assert DropBlock(0.0).train()(maps) is maps
    encoders = []
    for rate in (0.0, 0.3):
        torch.manual_seed(0)
        encoders.append(build_encoder(BackboneConfig("resnet12", drop_block=rate)))
    plain, dropping = encoders
    images = torch.randn(2, 3, 32, 32)
    assert plain.state_dict().keys() == dropping.state_dict().keys()
    with torch.no_grad():
        assert torch.equal(plain.eval()(images), dropping.eval()(images))
        assert not torch.equal(plain.train()(images), dropping.train()(images))


def test_drop_block_is_refused_where_there_is_none() -> None:
    with pytest.raises(ConfigError, match=r"backbone\.drop_block=0\.1 is of resnet12, and conv4"):
        build_encoder(BackboneConfig("conv4", drop_block=0.1))


CONV4 = [1920, 37056, 37056, 37056]  # weights of a block, its norm among them
RESNET12 = [76160, 564480, 2357760, 9425920]
RESNET18 = [9536, 147968, 525568, 2099712, 8393728]  # stem and four layers
BLOCK_OF_VIT = 12 * 192**2 + 13 * 192  # attention, two layers of four times the width, two norms
VIT_TINY = [3 * 16 * 16 * 192 + 192 + 192 + 197 * 192, *11 * [BLOCK_OF_VIT], BLOCK_OF_VIT + 384]


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("conv4", CONV4),
        ("resnet12", RESNET12),
        ("resnet18", RESNET18),
        ("timm/vit_tiny_patch16_224", VIT_TINY),
    ],
)
def test_weights_of_each_stage(name: str, weights: list[int]) -> None:
    """As many as the published networks have in each."""
    encoder = build_encoder(BackboneConfig(name))
    assert [sum(each.numel() for each in stage) for stage in stage_weights(encoder)] == weights


@pytest.mark.parametrize(
    ("name", "count", "first"),
    [
        ("face_expression", 4, "blocks.0.conv0.weight"),
        ("mobilenet_v2", 19, "features.0.0.weight"),
        ("efficientnet_b0", 9, "features.0.0.weight"),
        ("convnext_tiny", 8, "features.0.0.weight"),
        ("vit_b_32", 13, "class_token"),
        ("regnet_y_400mf", 5, "stem.0.weight"),
        ("timm/resnet10t.c3_in1k", 5, "conv1.0.weight"),
    ],
)
def test_every_weight_stands_in_one_stage(name: str, count: int, first: str) -> None:
    """Of each family; the first holds the stem, the last the weights next to the embedding."""
    encoder = build_encoder(BackboneConfig(name))
    stages = stage_weights(encoder)
    assert len(stages) == count
    found = [id(each) for stage in stages for each in stage]
    assert sorted(found) == sorted(map(id, encoder.parameters()))
    named = {key.removeprefix("network."): each for key, each in encoder.named_parameters()}
    assert any(each is named[first] for each in stages[0])
    assert any(each is list(named.values())[-1] for each in stages[-1])


def test_stages_and_batch_norms_that_are_not_there_are_refused() -> None:
    plain = {"epochs": 1, "episodes_per_epoch": 1, "n_way": 2, "k_shot": 1, "n_query": 1}
    one = Encoder(nn.Linear(2, 2), EncoderInput(32))
    with pytest.raises(ConfigError, match=r"layer_decay=0\.5 needs an encoder in stages, and back"):
        require_named_weights(one, "mine", TrainConfig(**plain, layer_decay=0.5))
    conv4 = build_encoder(BackboneConfig("conv4"))
    require_named_weights(conv4, "conv4", TrainConfig(**plain, frozen_stages=3))
    with pytest.raises(ConfigError, match=r"frozen_stages=4: backbone=conv4 has 4 stages: give 3"):
        require_named_weights(conv4, "conv4", TrainConfig(**plain, frozen_stages=4))
    require_named_weights(conv4, "conv4", TrainConfig(**plain, freeze_batch_norm=True))
    with pytest.raises(ConfigError, match=r"freeze_batch_norm=true: backbone=mine has no batch"):
        require_named_weights(one, "mine", TrainConfig(**plain, freeze_batch_norm=True))
