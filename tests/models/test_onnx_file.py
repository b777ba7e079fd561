"""Encoders from ONNX files: their features, their way through a run, and what does not fit."""

import copy
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import yaml
from conftest import TINY, Command

from fewshot_fer.config.model_schema import BackboneConfig
from fewshot_fer.models import build_encoder, with_image_size
from fewshot_fer.models.preprocessing import normalise
from fewshot_fer.system.errors import ConfigError

ORIGIN = {"source": "a colleague", "licence": "MIT", "trained_on": "unnamed"}
CARD = {"image_size": 48, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3], **ORIGIN}


def write_graph(file: Path, batch: int | str, weights_as_inputs: bool = False) -> None:
    """Write an ONNX graph from images [batch, 3, 48, 48] to `features`, means of the channels times
    a matrix, and to `other`."""
    matrix = onnx.numpy_helper.from_array(np.arange(1, 7, dtype=np.float32).reshape(3, 2), "matrix")
    images, *others = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in {
            "images": [batch, 3, 48, 48],
            "matrix": [3, 2],
            "unused": [1],
            "features": [batch, 2],
            "other": [batch, 3],
        }.items()
    )
    weights, unused, *outputs = others
    nodes = [
        onnx.helper.make_node("ReduceMean", ["images"], ["other"], axes=[2, 3], keepdims=0),
        onnx.helper.make_node("MatMul", ["other", "matrix"], ["features"]),
    ]
    given = [images, weights, unused] if weights_as_inputs else [images]
    graph = onnx.helper.make_graph(nodes, "small", given, outputs, [matrix])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)])
    model.ir_version = 3 if weights_as_inputs else 8
    onnx.save(model, file)


@pytest.mark.parametrize("batch", ["n", 1, 4])
@pytest.mark.parametrize("old", [False, True])
def test_features_of_an_onnx_file(batch: int | str, old: bool, tmp_path: Path) -> None:
    """Protects graphs of any number of images, of several outputs, with weights among their inputs,
    and their way through a checkpoint."""
    file = tmp_path / "faces.onnx"
    write_graph(file, batch, weights_as_inputs=old)
    file.with_suffix(".yaml").write_text(yaml.safe_dump(CARD | {"output": "features"}))
    settings = BackboneConfig("onnx", weights=str(file))
    encoder = build_encoder(with_image_size(settings))
    pixels = torch.randint(0, 256, (6, 3, 48, 48), dtype=torch.uint8)
    mean, std = (torch.tensor(CARD[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    matrix = torch.arange(1.0, 7).view(3, 2)
    expected = ((pixels / 255 - mean) / std).mean(dim=(2, 3)) @ matrix
    assert torch.allclose(encoder(normalise(pixels)), expected, atol=1e-4)
    file.unlink()
    restored = build_encoder(settings, with_weights=False)
    restored.load_state_dict(encoder.state_dict())
    assert torch.equal(restored(normalise(pixels)), encoder(normalise(pixels)))
    assert torch.equal(copy.deepcopy(restored)(normalise(pixels)), encoder(normalise(pixels)))


def test_an_onnx_file_that_does_not_fit_is_named(tmp_path: Path) -> None:
    file = tmp_path / "faces.onnx"
    settings = BackboneConfig("onnx", weights=str(file))
    for card, expected in (
        ({}, "output: name the one with the features: features, other"),
        ({"output": "logits"}, "output: name the one"),
        ({"output": "other", "image_size": 64}, "takes images of any x 3 x 48 x 48, and its card"),
        ({"output": "other", "layout": "nhwc"}, "layout: nhwc"),
    ):
        write_graph(file, "n")
        file.with_suffix(".yaml").write_text(yaml.safe_dump(CARD | card))
        with pytest.raises(ConfigError, match=expected):
            build_encoder(settings)
    file.write_bytes(b"no graph")
    with pytest.raises(ConfigError, match=r"faces\.onnx cannot be read as ONNX"):
        build_encoder(settings)


def test_an_onnx_file_from_training_to_predict(
    data: Path, command: Command, tmp_path: Path
) -> None:
    """Its run needs the file no more; training it further is refused in one line."""
    file = tmp_path / "faces.onnx"
    write_graph(file, 1)
    file.with_suffix(".yaml").write_text(yaml.safe_dump(CARD | {"output": "features"}))
    line = ("backbone=onnx", f"backbone.weights={file}", f"paths.data={data}", "device=cpu")
    learning = command("train", *TINY, *line, "backbone.image_size=48")
    assert learning.code == 2
    assert "learns nothing: take train=frozen" in learning.err
    outcome = command("train", "train=frozen", *line, "eval.episodes=10", "hydra.run.dir=run")
    assert outcome.code == 0, outcome.err
    file.unlink()
    file.with_suffix(".yaml").unlink()
    picture = next((data / "RAF-DB/basic/Image/aligned").glob("*.jpg"))
    assert command("predict", "run=run", f"images={picture}", "align=false").code == 0
    exported = command("export", "run=run", "out=run.onnx")
    assert exported.code == 2
    assert "is an ONNX file" in exported.err
