"""Encoders from files: images as the card says, weights that fit, and what is refused."""

import zipfile
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from conftest import Command
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision import models as torchvision_models

from fewshot_fer.config.model_schema import BackboneConfig
from fewshot_fer.models import build_encoder, with_image_size
from fewshot_fer.models.backbones.registry import (
    BuildOptions,
    register_backbone,
)
from fewshot_fer.models.preprocessing import normalise
from fewshot_fer.system.errors import ConfigError

ORIGIN = {"source": "a colleague", "licence": "MIT", "trained_on": "unnamed"}
CARD = {"image_size": 48, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3], **ORIGIN}
KNOWN = "source: a colleague\nlicence: MIT\ntrained_on: unnamed\n"
COLOURS = f"{KNOWN}image_size: 48\narchitecture: conv4\n"
FROZEN = ("train=frozen", "eval.episodes=10", "device=cpu", "backbone=file")


class Small(nn.Module):
    """An encoder whose embeddings are weighted means of the channels."""

    def __init__(self, layout: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(1.0, 7.0).view(2, 3))
        self.nhwc = layout == "nhwc"

    def forward(self, images: Tensor) -> Tensor:
        means = images.mean(dim=(1, 2)) if self.nhwc else images.mean(dim=(2, 3))
        return means @ self.weight.T


@register_backbone("small_*")
def build_small(settings: BackboneConfig, _options: BuildOptions) -> nn.Module:
    return Small(settings.name.removeprefix("small_"))


def write_weights(folder: Path, layout: str = "nchw", **card: object) -> str:
    """Write the weights of a small network with their card; return the path."""
    file = folder / "faces.safetensors"
    save_file(Small(layout).state_dict(), file)
    known = CARD | {"architecture": f"small_{layout}", "layout": layout} | card
    file.with_suffix(".yaml").write_text(yaml.safe_dump(known))
    return str(file)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_images_come_as_the_card_says(layout: str, channels: str, tmp_path: Path) -> None:
    """Protects mean, deviation, order of channels and layout, against plain arithmetic."""
    file = write_weights(tmp_path, layout, channels=channels)
    pixels = torch.randint(0, 256, (4, 3, 48, 48), dtype=torch.uint8)
    encoder = build_encoder(BackboneConfig("file", weights=file))
    found = encoder(normalise(pixels))
    ordered = pixels.flip(1) if channels == "bgr" else pixels
    mean, std = (torch.tensor(CARD[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    expected = Small("nchw")((ordered / 255 - mean) / std)
    assert torch.allclose(found, expected, atol=1e-4)


def test_the_size_comes_with_the_weights(tmp_path: Path) -> None:
    """Protects pretrained weights from images that they were not made for."""
    assert with_image_size(BackboneConfig("resnet12")).side == 84
    imagenet = BackboneConfig("resnet18", weights="imagenet")
    assert with_image_size(imagenet).side == 224
    assert with_image_size(BackboneConfig("timm/resnet10t.c3_in1k")).side == 176
    file = write_weights(tmp_path)
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


@pytest.mark.parametrize("backbone", ["file", "resnet18"])
def test_a_program_is_refused(backbone: str, tmp_path: Path) -> None:
    """Protects users from a stranger's TorchScript: one line says what to give instead of it."""
    file = tmp_path / "faces.pt"
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py"):
            archive.writestr(f"faces/{name}", b"")
    file.with_suffix(".yaml").write_text(yaml.safe_dump(CARD))
    settings = BackboneConfig(backbone, weights=str(file))
    with pytest.raises(ConfigError, match=r"program in TorchScript, .* state_dict\(\)"):
        build_encoder(with_image_size(settings))


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        (f"{COLOURS}mean: [1, 2, 3]", "says nothing of std"),
        (f"{KNOWN}image_size: 48\nmean: [1, 2, 3]\nstd: [1, 1, 1]", "says nothing of architecture"),
        (f"{COLOURS}mean: 0\nstd: 1".replace("licence: MIT", ""), "says nothing of licence"),
        (f"{COLOURS}mean: 0\nstd: 1\nsha256: 12ab", "another file's than .*: fetch the weights"),
        (
            f"{COLOURS}mean: [0, 0, 0]\nstd: [1, 1, 1]\npretrained: dogs",
            "pretrained: 'dogs' is not none or",
        ),
        (f"{COLOURS}mean: 0\nstd: 1\nclasses_known: happy", "is no list of names"),
        (f"{COLOURS}mean: [1, 2]\nstd: [1, 1, 1]", "mean: .* is not three numbers"),
        (f"{COLOURS}mean: [0, 0, 0]\nstd: [1, 1, 0]", "must be above 0"),
        (f"{COLOURS}mean: [0, 0, 0]\nstd: [1, 1, 1]\nlayout: chw", "nchw or nhwc"),
        (f"{COLOURS}mean: [0, 0, 0]\nstd: [1, 1, 1]\ncolour: rgb", "colour is not known"),
        (f"{COLOURS}mean: [.nan, 0, 0]\nstd: [1, 1, 1]", "mean: .* is not three numbers"),
        (f"{COLOURS}mean: [0, 0, 0]\nstd: [1, .inf, 1]", "std: .* is not three numbers"),
        (f"{KNOWN}image_size: big\narchitecture: conv4\nmean: 0\nstd: 1", "no number of pixels"),
        (f"{KNOWN}image_size: 48\narchitecture: file\nmean: 0\nstd: 1", "name the network"),
        ("- 48", "is no card"),
        ("image_size: [", "cannot be read"),
        ("image_size: !!int x", "cannot be read"),
        ("image_size: " + "[" * 5000, "levels deep"),
        ("a: &a [1, 1]\nmean: [*a, *a]", "line 2 repeats a part"),
        (None, "is not there"),
    ],
)
def test_a_bad_card_is_named(card: str | None, expected: str, tmp_path: Path) -> None:
    file = Path(write_weights(tmp_path))
    file.with_suffix(".yaml").unlink()
    if card is not None:
        file.with_suffix(".yaml").write_text(card)
    with pytest.raises(ConfigError, match=expected):
        build_encoder(BackboneConfig("file", weights=str(file)))


@pytest.mark.parametrize("content", [b"", b"PK", b"hello"])
def test_damaged_weights_are_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "faces.pth").write_bytes(content)
    with pytest.raises(ConfigError, match=r"faces\.pth cannot be read as weights: \w"):
        build_encoder(BackboneConfig("resnet18", weights=str(tmp_path / "faces.pth")))


def test_a_file_from_training_to_predict(data: Path, command: Command, tmp_path: Path) -> None:
    """Frozen features of an encoder from a file are one command; its run can be used also where the
    file is gone, as the run keeps card and weights."""
    weights = write_weights(tmp_path, image_size=32, pretrained="faces")
    line = ("train", *FROZEN, f"backbone.weights={weights}", f"paths.data={data}")
    outcome = command(*line, "test=compound_5w1s", "methods=simpleshot", "hydra.run.dir=run")
    assert outcome.code == 0, outcome.err
    assert yaml.safe_load(Path("run/config.yaml").read_text())["backbone"]["image_size"] == 32
    tested = command("test", "run=run", "test=compound_4w5s", "test.compound_4w5s.episodes=10")
    assert tested.code == 0, tested.err
    for folder in (Path("run"), tested.folder):  # what it knew stands on every row
        assert set(pd.read_csv(folder / "results.csv")["pretrained"]) == {"faces"}
    assert yaml.safe_load(Path("run/encoder.yaml").read_text())["licence"] == "MIT"
    compared = pd.read_csv("run/methods.csv")
    assert compared["method"].tolist() == ["protonet", "simpleshot"]
    kept, card = set(Path("run/embeddings").iterdir()), Path("run/encoder.yaml").read_text()
    Path("run/encoder.yaml").write_text(card.replace("0.25", "0.5"))
    command("test", "run=run", "test=compound_4w5s", "test.compound_4w5s.episodes=10")
    assert len(set(Path("run/embeddings").iterdir()) - kept) == 1  # of another card, made anew
    Path("run/encoder.yaml").write_text(card)
    picture = next((data / "RAF-DB/basic/Image/aligned").glob("*.jpg"))
    Path(weights).unlink()
    Path(weights).with_suffix(".yaml").unlink()
    assert command("predict", "run=run", f"images={picture}", "align=false").code == 0
    Path("run/encoder.yaml").unlink()
    lost = command("predict", "run=run", f"images={picture}", "align=false")
    assert lost.code == 2
    assert "needs a card" in lost.err


def test_an_encoder_that_is_trained_further(data: Path, command: Command, tmp_path: Path) -> None:
    """Weights from a file are where training starts, and its own are what is kept: a run that is
    resumed needs the file no more."""
    weights = write_weights(tmp_path, image_size=32)
    line = ("train", "train=fast", "train.epochs=1", "train.episodes_per_epoch=3", "train.n_way=2")
    words = ("train.k_shot=2", "train.n_query=1", "eval.episodes=5", "device=cpu", "backbone=file")
    outcome = command(*line, *words, f"backbone.weights={weights}", f"paths.data={data}")
    assert outcome.code == 0, outcome.err
    kept = torch.load(outcome.folder / "last.pt", weights_only=True)["encoder"]["network.weight"]
    assert not torch.equal(kept, Small("nchw").weight)
    assert len(pd.read_csv(outcome.folder / "metrics.csv")) == 1
