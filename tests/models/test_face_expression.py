"""The expression network in the package, against an evaluation of its source in plain numpy."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import TINY, Command
from numpy.typing import NDArray

from fewshot_fer.config.model_schema import BackboneConfig
from fewshot_fer.models import build_encoder, with_image_size
from fewshot_fer.models.backbones.face_expression import CLASSES, packaged_weights
from fewshot_fer.models.backbones.registry import encoder_card
from fewshot_fer.models.preprocessing import normalise

SOURCE = Path(__file__).parent / "face_expression_source" / "face_expression_model.bin"
MEAN = np.array([122.782, 117.001, 104.298])
Maps = NDArray[np.float64]


def source_weights() -> dict[str, Maps]:
    """Return the tensors of the source file by the names of its manifest, TensorFlow's layout."""
    manifest = json.loads(
        SOURCE.with_name("face_expression_model-weights_manifest.json").read_text()
    )
    content, place, tensors = SOURCE.read_bytes(), 0, {}
    for entry in manifest[0]["weights"]:
        quantised, n = entry.get("quantization"), int(np.prod(entry["shape"]))
        values = np.frombuffer(content, np.uint8 if quantised else "<f4", n, place)
        place += values.nbytes
        plain = values.astype(np.float64)
        if quantised:
            plain = plain * quantised["scale"] + quantised["min"]
        tensors[entry["name"]] = plain.reshape(entry["shape"])
    return tensors


def patches(maps: Maps, stride: int) -> Maps:
    """Return the 3x3 neighbourhoods [B, H', W', 3, 3, C] with TensorFlow's SAME padding."""
    before = 1 if stride == 1 else maps.shape[1] % 2
    padded = np.pad(maps, ((0, 0), (before, 1), (before, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return windows[:, ::stride, ::stride].transpose(0, 1, 2, 4, 5, 3)


def convolve(maps: Maps, weights: dict[str, Maps], name: str, stride: int = 1) -> Maps:
    near, bias = patches(maps, stride), weights[f"{name}/bias"]
    if f"{name}/filters" in weights:
        return np.einsum("bhwyxi,yxio->bhwo", near, weights[f"{name}/filters"]) + bias
    each = np.einsum("bhwyxi,yxi->bhwi", near, weights[f"{name}/depthwise_filter"][..., 0])
    return each @ weights[f"{name}/pointwise_filter"][0, 0] + bias


def source_features(pixels: Maps) -> Maps:
    """Return features [B, 256] of pixels [B, 112, 112, 3] in 0..255."""
    weights, maps = source_weights(), (pixels - MEAN) / 255
    for block in ("dense0", "dense1", "dense2", "dense3"):
        a = np.maximum(convolve(maps, weights, f"{block}/conv0", stride=2), 0)
        b = convolve(a, weights, f"{block}/conv1")
        c = convolve(np.maximum(a + b, 0), weights, f"{block}/conv2")
        d = convolve(np.maximum(a + b + c, 0), weights, f"{block}/conv3")
        maps = np.maximum(a + b + c + d, 0)
    return maps.mean(axis=(1, 2))


def test_features_and_logits_are_those_of_the_source() -> None:
    """Protects the conversion: layouts, padding, order of additions, quantisation, input."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (3, 8, 8, 3)).repeat(14, axis=1).repeat(14, axis=2)
    pixels = (coarse * random.uniform(0.5, 1, (3, 112, 112, 1))).astype(np.uint8)
    expected = source_features(pixels.astype(np.float64))
    encoder = build_encoder(with_image_size(BackboneConfig("face_expression", weights="packaged")))
    with torch.no_grad():
        images = normalise(torch.from_numpy(pixels).permute(0, 3, 1, 2))
        found = encoder.eval()(images).double()
    assert found.shape == (3, 256)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)
    own, source = packaged_weights(), source_weights()
    logits = found.numpy() @ own["head.weight"].double().numpy().T + own["head.bias"].numpy()
    assert logits.shape == (3, len(CLASSES))
    of_source = expected @ source["fc/weights"] + source["fc/bias"]
    np.testing.assert_allclose(logits, of_source, atol=1e-4)


def test_its_card_says_where_it_comes_from() -> None:
    """Protects results from passing for learning from scratch."""
    card = encoder_card(BackboneConfig("face_expression", weights="packaged"))
    assert (card.pretrained, card.licence, card.classes_known) == ("expressions", "MIT", CLASSES)
    assert encoder_card(BackboneConfig("face_expression")).pretrained == "none"
    weights = build_encoder(BackboneConfig("face_expression"))
    assert sum(each.numel() for each in weights.parameters()) == 321_888


def test_features_and_further_training_from_the_package(
    data: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`train=frozen` and `train=finetune` as they are typed; another start stands on every row."""
    words = ("backbone=face_expression", "backbone.image_size=32", "backbone.accept_size=true")
    line = (*TINY, *words, f"paths.data={data}", "test=compound_5w1s", "methods=composed")
    for number, more in enumerate((("train.epochs=0",), ("train.encoder_rate=0.1",))):
        outcome = command("train", *line, *more, f"hydra.run.dir=run{number}")
        assert outcome.code == 0, outcome.err
        results = pd.read_csv(f"run{number}/results.csv")
        assert set(results["pretrained"]) == {"expressions"}
        assert {"composed"} < set(results.loc[results["role"] == "test", "method"])
    before, after = (
        torch.load(f"run{number}/last.pt", weights_only=True)["encoder"] for number in range(2)
    )
    moved = [not torch.equal(before[name], after[name]) for name in before]
    assert all(moved)
    stored = packaged_weights()["blocks.0.conv0.weight"]
    assert torch.equal(before["network.blocks.0.conv0.weight"], stored)


def test_any_size_of_images() -> None:
    """An odd side is padded on both sides, as TensorFlow does."""
    encoder = build_encoder(BackboneConfig("face_expression", weights="packaged"))
    assert encoder(torch.zeros(1, 3, 75, 75)).shape == (1, 256)
