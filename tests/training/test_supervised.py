"""The supervised baseline: it learns, it is asked the same questions, its weights are its own."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import TINY, Command, face_table
from small_networks import CHANGED, ReplayedOnCpu, moved, random_images, settings, small_encoder
from torch import nn

from fewshot_fer.episodes.pool import Shape, build_pool
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.models.methods.prototypes import prototype_logits
from fewshot_fer.models.network import Network, WeightAverage
from fewshot_fer.system.device import Precision
from fewshot_fer.training.batches import shuffled_rows
from fewshot_fer.training.supervised import SupervisedTraining
from fewshot_fer.training.targets import class_weights

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
    tested = pd.read_csv(again.folder / "results.csv")
    assert tested["accuracy"].tolist() == validation["accuracy"].tolist()


def test_every_image_is_seen_once_an_epoch() -> None:
    """All images with their labels, in another order each epoch, the same for the same seed."""
    protocol = protocol_of({"a": 10, "b": 5, "c": 3})
    rows, labels = shuffled_rows(protocol, 0, 1)
    assert sorted(rows) == list(range(18))
    names = np.array(protocol.pool.class_names)
    assert (protocol.table["label"].to_numpy()[rows] == names[labels]).all()
    assert np.array_equal(rows, shuffled_rows(protocol, 0, 1)[0])
    assert not np.array_equal(rows, shuffled_rows(protocol, 0, 2)[0])
    again, _ = shuffled_rows(protocol, 0, 1, least=len(rows) + 1)  # a small set, gone through twice
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


@pytest.mark.parametrize("held", [False, True])
def test_captured_batches_are_those_started_one_by_one(
    held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven batches of 6 and five of 5 are two graphs, whose images lie on the device or are copied
    before each step: bit for bit the losses, answers, weights and averages of the plain loop, with
    a rate that falls in each step, over two epochs."""
    monkeypatch.setattr("fewshot_fer.training.captured_batches.CapturedSteps", ReplayedOnCpu)
    protocol, images = protocol_of({"a": 30, "b": 25, "c": 12}), random_images(67)
    how = {
        "batch_size": 6,
        "augment": CHANGED,
        "schedule": "cosine",
        "class_weights": "root",
        "label_smoothing": 0.1,
    }
    made = []
    for captured in (False, True):
        torch.manual_seed(1)
        network = Network(small_encoder(), nn.Linear(32, 3), prototype_logits)
        loop = SupervisedTraining(network, protocol, settings(**how), 0, Precision())
        average = WeightAverage(network, 0.9)
        loop.after_step = average.update
        seen = images
        if captured:
            loop.capture_steps()
            seen = moved(images, images.device, True) if held else images
        scores = [loop.run_epoch(seen, protocol, epoch) for epoch in (1, 2)]
        made.append(
            (scores, [*network.state()["encoder"].values(), *average.averaged().parameters()])
        )
    assert len(made[0][0][0].loss) == 12
    for one, other in zip(made[0][0], made[1][0], strict=True):
        np.testing.assert_array_equal(one.loss, other.loss)
        np.testing.assert_array_equal(one.confusion, other.confusion)
        np.testing.assert_array_equal(one.row_correct, other.row_correct)
    assert all(map(torch.equal, made[0][1], made[1][1]))
