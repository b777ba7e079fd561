"""Synthetic compounds: which faces are mixed, how, and the loss that they give."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import TINY, Command, assert_one_line, face_table
from scipy.stats import chisquare
from small_networks import random_images, settings, small_encoder

from fewshot_fer.config.train_schema import CompoundsConfig, TrainConfig
from fewshot_fer.data.labels import BASIC
from fewshot_fer.episodes.pool import Shape, build_pool
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.models.methods.prototypes import prototype_logits
from fewshot_fer.models.network import Network
from fewshot_fer.runs.load import load_run
from fewshot_fer.system.device import Precision
from fewshot_fer.training.compound_losses import episode_pair_losses, pair_losses
from fewshot_fer.training.compounds import (
    MixedBatch,
    class_pairs,
    draw_pairs,
    draw_query_pairs,
    paired_classes,
    supervised_compounds,
)
from fewshot_fer.training.episodic import EpisodicTraining
from fewshot_fer.training.mixed_faces import draw_mixed_faces
from fewshot_fer.training.supervised import SupervisedTraining

SIDE = 20
ON = ("train.compounds.share=0.5", "train.compounds.after=0.25")
COMPOUNDS = CompoundsConfig(share=0.5, after=0.0)


def task() -> tuple[EpisodicProtocol, pd.DataFrame]:
    """Return a protocol of the seven basic classes, four pictures each."""
    table = face_table(dict.fromkeys(BASIC, 4))
    pool = build_pool(table, Shape(n_way=4, k_shot=1, n_query=2))
    return EpisodicProtocol("train", "train", "made", table, 6, pool), table


def chosen(**changes: object) -> TrainConfig:
    shape = {"n_way": 4, "k_shot": 1, "n_query": 2, "episodes_per_epoch": 6, "batch_size": 8}
    return settings(**{**shape, "compounds": COMPOUNDS, **changes})


@pytest.mark.parametrize("kind", ["halves", "cutmix", "mixup", "any"])
def test_mixed_pixels_and_shares_are_those_of_a_loop_over_pixels(kind: str) -> None:
    """Inside its box there is the second face alone, elsewhere the first by its weight; both have a
    part, and the lower half begins below the eyes and above the mouth."""
    mixes = draw_mixed_faces(60, SIDE, kind, np.random.default_rng(3))
    first, second = torch.randint(0, 256, (2, 60, 3, SIDE, SIDE), dtype=torch.uint8)
    mixed = mixes.mix(slice(None), first, second)
    shares = mixes.shares(SIDE)
    for number, (top, bottom, left, right) in enumerate(mixes.boxes.tolist()):
        expected, weight, share = torch.zeros(3, SIDE, SIDE), float(mixes.weights[number]), 0.0
        for row in range(SIDE):
            for column in range(SIDE):
                own = 0.0 if top <= row < bottom and left <= column < right else weight
                one, other = (each[number, :, row, column].float() for each in (first, second))
                expected[:, row, column] = own * one + (1 - own) * other
                share += (1 - own) / SIDE**2
        assert torch.allclose(mixed[number], expected, atol=1e-3)
        assert shares[number] == pytest.approx(share, rel=1e-6)
        assert 0.2 < share < 0.8
        if kind == "halves":
            assert (bottom, left, right, weight) == (SIDE, 0, SIDE, 1)
            assert 0.5 * SIDE <= top <= 0.65 * SIDE
        if kind == "mixup":
            assert bottom == right == 0


def test_all_kinds_are_drawn_alike_and_boxes_lie_anywhere() -> None:
    """`any` is each kind a third of the time; a random box meets every pixel about as often as its
    mirror image."""
    mixes = draw_mixed_faces(3000, SIDE, "any", np.random.default_rng(0))
    boxes = draw_mixed_faces(20_000, SIDE, "cutmix", np.random.default_rng(0)).boxes
    blended = mixes.weights < 1
    halves = ~blended & (mixes.boxes[:, 1:] == [SIDE, 0, SIDE]).all(axis=1)
    assert chisquare([blended.sum(), halves.sum(), (~blended & ~halves).sum()]).pvalue > 0.001
    for first, last in ((0, 1), (2, 3)):
        assert abs(boxes[:, first].mean() - (SIDE - boxes[:, last]).mean()) < 0.1
        assert boxes[:, first].min() == 0
        assert boxes[:, last].max() == SIDE


def test_pairs_are_uniform_of_two_classes_and_never_neutral() -> None:
    """Every ordered pair of two of the six expressions is as likely, whatever their sizes."""
    sizes = dict(zip(BASIC, (2, 9, 30, 4, 5, 6, 50), strict=True)) | {"bored": 9}
    table = face_table(sizes)
    pool = build_pool(table, Shape(4, 1, 1))
    pairs = class_pairs(paired_classes(pool.class_names))
    rows, labels = draw_pairs(pool, pairs, 30_000, np.random.default_rng(0))
    drawn = table["label"].to_numpy()[rows]
    assert set(drawn.ravel()) == set(BASIC) - {"neutral"}
    of_label = [{pool.class_names[place] for place in pair} for pair in pairs]
    assert all(set(two) == of_label[label] for two, label in zip(drawn, labels, strict=True))
    counts = pd.Series(list(map(tuple, drawn))).value_counts()
    assert len(counts) == 30
    assert chisquare(counts).pvalue > 0.001
    of_one = np.unique(rows[drawn == "disgust"], return_counts=True)[1]
    assert len(of_one) == 30
    assert chisquare(of_one).pvalue > 0.001


def test_pairs_of_an_episode_are_uniform_queries_of_it() -> None:
    """Two queries of two allowed classes of the episode itself; numbers name the pair."""
    query = np.arange(2 * 4 * 3).reshape(2, 4, 3)
    allowed = np.array([[True, True, False, True], [True, False, False, True]])
    rows, labels = draw_query_pairs(query, allowed, 9000, np.random.default_rng(0))
    episode, way = rows // 12, rows % 12 // 3
    assert (episode == np.arange(2)[:, None, None]).all()
    pairs = list(combinations(range(4), 2))
    for number, ways in enumerate(({0, 1, 3}, {0, 3})):
        assert set(way[number].ravel()) == ways
        assert [tuple(sorted(two)) for two in way[number]] == [pairs[n] for n in labels[number]]
        counts = pd.Series(list(map(tuple, way[number]))).value_counts()
        assert len(counts) == len(ways) * (len(ways) - 1)
        assert chisquare(counts).pvalue > 0.001
    assert chisquare(np.unique(rows[0], return_counts=True)[1]).pvalue > 0.001


def test_a_classifiers_loss_is_that_of_mean_weights_by_hand() -> None:
    """-log softmax over all pairs of the mean of the parts' weights and biases, times the face."""
    torch.manual_seed(0)
    head, faces, pairs = torch.nn.Linear(5, 4), torch.randn(3, 5), class_pairs([0, 2, 3])
    labels = torch.tensor([2, 0, 1])
    losses = pair_losses(head(faces), torch.from_numpy(pairs), labels)
    for face, label, loss in zip(faces, labels, losses, strict=True):
        scores = []
        for one, other in ((0, 2), (0, 3), (2, 3)):
            weight = (head.weight[one] + head.weight[other]) / 2
            score = weight @ face + (head.bias[one] + head.bias[other]) / 2
            scores.append(float(score.detach()))
        by_hand = np.log(np.exp(scores).sum()) - scores[int(label)]
        assert float(loss.detach()) == pytest.approx(by_hand, rel=1e-5)


def test_an_episodes_loss_is_that_of_composed_prototypes_by_hand() -> None:
    """-log softmax over allowed pairs of minus the squared distance to the mean of two prototypes;
    what is not allowed changes nothing."""
    torch.manual_seed(0)
    support, faces = torch.randn(2, 4, 3, 5), torch.randn(2, 2, 5)
    labels, pairs = torch.tensor([[0, 4], [2, 2]]), list(combinations(range(4), 2))
    allowed = torch.tensor([[True, True, False, True], [True, True, True, True]])
    mixed = MixedBatch(torch.zeros(0), labels, 4, allowed)
    losses = episode_pair_losses(support, faces, mixed, prototype_logits)
    for episode in range(2):
        by_hand = []
        for face, label in zip(faces[episode], labels[episode].tolist(), strict=True):
            scores = {}
            for number, (one, other) in enumerate(pairs):
                if allowed[episode, one] and allowed[episode, other]:
                    prototype = support[episode, [one, other]].mean(dim=(0, 1))
                    scores[number] = -float((face - prototype).square().sum())
            by_hand.append(np.log(np.exp(list(scores.values())).sum()) - scores[label])
        assert float(losses[episode]) == pytest.approx(np.mean(by_hand), rel=1e-5)


def loops(chosen: TrainConfig, protocol: EpisodicProtocol) -> list[tuple[str, object]]:
    """Return both ways to train, each with a network of its own and the same weights."""
    made = []
    for kind in ("supervised", "episodic"):
        encoder = small_encoder()
        torch.manual_seed(1)
        network = Network(encoder, torch.nn.Linear(32, len(BASIC)), prototype_logits)
        if kind == "supervised":
            made.append((kind, SupervisedTraining(network, protocol, chosen, 0, Precision())))
        else:
            made.append((kind, EpisodicTraining(replace(network, head=None), chosen, 0)))
    return made


def weights_after(chosen: TrainConfig, epochs: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """Return the encoder's weights after these epochs, of both ways to train."""
    protocol, table = task()
    found = {}
    for kind, loop in loops(chosen, protocol):
        for epoch in epochs:
            scores = loop.run_epoch(random_images(len(table)), protocol, epoch)  # type: ignore[attr-defined]
            assert np.isfinite(scores.loss).all()
        state = loop.network.encoder.state_dict()  # type: ignore[attr-defined]
        found[kind] = torch.cat([each.double().flatten() for each in state.values()])
    return found


def test_single_expressions_come_first_and_an_epoch_is_a_function_of_its_number() -> None:
    """Until the share of epochs is over nothing differs from training without; then it does, and
    the same epoch gives the same weights again."""
    off, late = CompoundsConfig(), replace(COMPOUNDS, after=0.5)
    first, without = (weights_after(chosen(compounds=each), (1,)) for each in (late, off))
    mixed, again = (weights_after(chosen(compounds=late), (1, 2)) for _ in range(2))
    plain = weights_after(chosen(compounds=off), (1, 2))
    for kind in ("supervised", "episodic"):
        assert torch.equal(first[kind], without[kind])
        assert not torch.equal(mixed[kind], plain[kind])
        assert torch.equal(mixed[kind], again[kind])


def test_of_each_batch_its_share_is_mixed() -> None:
    """Half as many mixed pictures as images in each step, and all that were drawn are seen."""
    protocol, table = task()
    seen = []

    class Counting(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = small_encoder()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(len(images))
            embedded: torch.Tensor = self.encoder(images)
            return embedded

    network = Network(Counting(), torch.nn.Linear(32, len(BASIC)), prototype_logits)
    loop = SupervisedTraining(network, protocol, chosen(), 0, Precision())
    loop.run_epoch(random_images(len(table)), protocol, 1)
    assert seen == [7 + 4, 7 + 3, 7 + 3, 7 + 4]
    pictures = supervised_compounds(random_images(28), protocol.pool, 28, chosen(), (0, 1))
    assert pictures.rows.shape == (14, 2)


def test_from_train_to_predict_with_a_learnt_map(command: Command, data: Path) -> None:
    """Mixed in supervised epochs and in episodes; the map lies in the run, composed classes take it
    in a test and for single pictures, and tables say what was known."""
    words = (*TINY, "train=pretrain_meta", f"paths.data={data}", "train.epochs=3", *ON)
    words += ("train.supervised_epochs=2", "method.composition=learnt", "methods=composed")
    run = command("train", *words, "test=compound_4w5s", "test.episodes=10")
    assert run.code == 0, run.err
    trained = pd.read_csv(run.folder / "results.csv").query("method == 'composed'").iloc[-1]
    assert trained["uses"] == "names of the parts, a map learnt on synthetic pairs"
    test = ("test=compound_4w5s", "test.episodes=10", "methods=composed")
    again = command("test", f"run={run.folder}", *test)
    tested = pd.read_csv(again.folder / "results.csv").query("method == 'composed'").iloc[-1]
    assert (tested["accuracy"], tested["loss"]) == (trained["accuracy"], trained["loss"])
    loaded = load_run(run.folder)
    learnt = loaded.priors.pair_map
    assert learnt is not None
    assert 0 <= learnt.left <= 1
    prior = loaded.priors.of(["sadly angry"])[0][0]
    parts = [loaded.priors.class_names.index(name) for name in ("sadness", "anger")]
    assert torch.equal(prior, learnt(loaded.priors.prototypes[parts]))
    picture = next(data.glob("RAF-DB/compound/Image/aligned/*.jpg"))
    named = ("classes=[happily surprised,sadly angry]", f"images={picture}")
    assert command("predict", f"run={run.folder}", *named).code == 0


@pytest.mark.parametrize(
    ("words", "culprit"),
    [
        (("train.compounds.share=2",), "train.compounds.share=2"),
        (("train.compounds.kind=blend",), "halves, cutmix, mixup, any"),
        (("train.compounds.share=0.2", "train.epochs=0"), "train.epochs=0"),
        (("train.compounds.share=0.2", "train.n_way=2"), "train.n_way=3 or more"),
        (("train.compounds.share=0.2", "method=dn4"), "method=dn4"),
        (("train.compounds.share=0.2", "dataset.classes=[anger,fear,neutral]"), "anger, fear"),
        (("method.composition=learnt", "dataset.classes=[anger,fear,neutral]"), "learnt mixes"),
    ],
)
def test_what_cannot_be_mixed_is_refused_before_training(
    words: tuple[str, ...], culprit: str, command: Command, data: Path
) -> None:
    """One line that names the setting and what to do."""
    assert_one_line(command("train", *TINY, f"paths.data={data}", *words), culprit)
