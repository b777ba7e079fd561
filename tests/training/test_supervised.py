"""The supervised baseline: it learns, it is asked the same questions, its weights are its own."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
from conftest import TINY, Command, face_table

from fewshot_fer.config.schema import BackboneConfig
from fewshot_fer.episodes.pool import Shape, build_pool
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.models import build_encoder
from fewshot_fer.models.backbones.conv4 import count_features
from fewshot_fer.system.errors import ConfigError
from fewshot_fer.training.supervised import _shuffled, class_weights

CLASSIFIER = (*TINY, "method=classifier", "train=supervised", "train.batch_size=8", "train.lr=3e-3")


def protocol_of(sizes: dict[str, int]) -> EpisodicProtocol:
    table = face_table(sizes)
    shape = Shape(len(sizes), 0, 1)
    return EpisodicProtocol("train", "train", "made", table, 1, build_pool(table, shape))


def test_its_answers_and_its_features_stand_in_one_table(command: Command, data: Path) -> None:
    """A row for the head and one for the nearest prototype, on the same queries; and it learns."""
    arguments = (*CLASSIFIER, f"paths.data={data}", "train.epochs=6", "dataset.split=all")
    fixed = ("eval=afew_fixed5", "eval.k_shot=1", "test=compound_5w1s", "test.episodes=10")
    outcome = command("train", *arguments, *fixed)
    assert outcome.code == 0, outcome.err
    assert outcome.folder is not None
    results = pd.read_csv(outcome.folder / "results.csv")
    validation = results[results["role"] == "validation"].set_index(["method", "level"])
    assert validation.index.tolist() == [
        (method, level)
        for method in ("classifier", "protonet")
        for level in ("frame", "clip", "clip_complete")
    ]
    assert validation.loc[("classifier", "frame"), "accuracy"] > 0.5
    assert len(set(validation["episodes_id"])) == 1
    train = results[results["role"] == "train"].iloc[0]
    assert (train["method"], train["n_way"], train["k_shot"]) == ("classifier", 7, 0)
    assert train["accuracy"] > 0.5
    again = command("test", f"run={outcome.folder}", "test=afew_fixed5", "test.k_shot=1")
    assert again.folder is not None, again.err
    tested = pd.read_csv(again.folder / "results.csv")
    assert tested["accuracy"].tolist() == validation["accuracy"].tolist()


def test_every_image_is_seen_once_an_epoch() -> None:
    """All images with their labels, in another order each epoch, the same for the same seed."""
    protocol = protocol_of({"a": 10, "b": 5, "c": 3})
    rows, labels = _shuffled(protocol, 0, 1)
    assert sorted(rows) == list(range(18))
    names = np.array(protocol.pool.class_names)
    assert (protocol.table["label"].to_numpy()[rows] == names[labels]).all()
    assert np.array_equal(rows, _shuffled(protocol, 0, 1)[0])
    assert not np.array_equal(rows, _shuffled(protocol, 0, 2)[0])
    again, _ = _shuffled(protocol, 0, 1, least=len(rows) + 1)  # a small set, gone through twice
    assert np.array_equal(again[: len(rows)], rows)
    assert np.array_equal(np.sort(again), np.sort(np.tile(rows, 2)))


def test_class_weights_balance_and_average_to_one() -> None:
    """inverse gives each class the same say, root half way there, none leaves all alike."""
    protocol = protocol_of({"a": 100, "b": 25, "c": 4})
    sizes = torch.tensor([100.0, 25.0, 4.0], dtype=torch.float64)
    for kind in ("none", "root", "inverse"):
        weights = class_weights(protocol, kind)
        assert float((weights * sizes).sum() / sizes.sum()) == pytest.approx(1)
    assert torch.allclose(class_weights(protocol, "none"), torch.ones(3, dtype=torch.float64))
    share = class_weights(protocol, "inverse") * sizes
    assert torch.allclose(share, share[0].expand(3))
    root = class_weights(protocol, "root")
    assert float(root[2] / root[0]) == pytest.approx(5)


def test_resnet_equals_torchvision(tmp_path: Path) -> None:
    """Weights from a file give torchvision's own features, and the head takes all of them."""
    torch.manual_seed(0)
    network = torchvision.models.resnet18(weights=None)
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    encoder = build_encoder(BackboneConfig("resnet18", weights=str(tmp_path / "weights.pth")))
    network.fc = torch.nn.Identity()
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(encoder.eval()(images), network.eval()(images))
    assert count_features(encoder, 64) == 512


def test_weights_that_cannot_be_had_are_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offline: where to get the file and what to type. Missing and foreign files are named."""

    def offline(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", offline)
    with pytest.raises(ConfigError, match=r"resnet50-\w+\.pth .*backbone\.weights=/path/") as error:
        build_encoder(BackboneConfig("resnet50", weights="imagenet"))
    assert "backbone.weights=none" in str(error.value)
    with pytest.raises(ConfigError, match="is not a file"):
        build_encoder(BackboneConfig("resnet18", weights=str(tmp_path / "gone.pth")))
    for number, content in enumerate((b"", b"PK", b"hello")):
        (tmp_path / f"{number}.pth").write_bytes(content)
        with pytest.raises(ConfigError, match=rf"{number}\.pth cannot be read as weights: \w"):
            build_encoder(BackboneConfig("resnet18", weights=str(tmp_path / f"{number}.pth")))
    torch.save({"weights": torch.ones(2)}, tmp_path / "other.pth")
    with pytest.raises(ConfigError, match=r"other\.pth does not fit"):
        build_encoder(BackboneConfig("resnet18", weights=str(tmp_path / "other.pth")))
