"""Folders of runs that nobody trained, written by the very functions that write real ones.

By hand, two hundred runs of ten thousand predictions each, and with a folder of pictures
00000.jpg, 00001.jpg and so on also with weights (scripts/measure_report.py does so):

    python tests/fabricated.py FOLDER 200 10000 [PICTURES]
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fewshot_fer.config.hydra import compose
from fewshot_fer.config.read import read_settings
from fewshot_fer.config.schema import TrainVerb, fingerprint
from fewshot_fer.data import labels
from fewshot_fer.evaluation.metrics import confusion_matrix, macro_f1, mean_recall
from fewshot_fer.evaluation.results import PREDICTION_COLUMNS
from fewshot_fer.runs.evaluation_tables import (
    ANSWER_COLUMNS,
    add_answers,
    add_predictions,
)
from fewshot_fer.runs.folder import RunFolder
from fewshot_fer.system.files import write_text

CHOICES = {"dataset": "rafdb_basic", "eval": "basic_fixed5", "backbone": "conv4", "train": "fast"}
CHOICES |= {"method": "protonet", "paths": "local", "experiment": "null"}
Given = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]


def settings_of(*overrides: str) -> TrainVerb:
    """Return what `train` would be told by these words, in episodes alone unless they say more."""
    chosen = any(word.startswith(("train=", "experiment=")) for word in overrides)
    plain = [] if chosen else ["train=fast"]
    return read_settings(compose("train", [*plain, *overrides]), TrainVerb)


def fabricate_run(
    folder: Path,
    settings: TrainVerb,
    n_images: int = 60,
    images: str = "/nowhere",
    names: tuple[str, ...] = labels.BASIC,
    skill: float = 0.4,
    warnings: str = "",
    finished: bool = True,
    uses: str = "",
) -> Path:
    """Write a run that was validated with a fixed support, each image asked once, and return it.

    skill: about the accuracy; images: the folder that its pictures are said to lie in; uses: as in
    results.csv, of the validation.
    """
    seed = int.from_bytes(folder.name.encode()[-6:], "big")
    random = np.random.default_rng(seed)
    run = RunFolder(folder, {"trained_on_test": "trained" in warnings, "warnings": warnings})
    run.write_config(asdict(settings))
    for epoch in range(1, settings.train.epochs + 1):
        run.add_metrics(_metrics(epoch, skill, random))
    given = _answer(n_images, len(names), skill, random)
    run.add_result(_row("train", "train_5w5s", given, names))
    row = _row("validation", "basic_fixed5", given, names) | {"uses": uses}
    run.add_result(row)
    _write_answers(folder, row, given, names, images)
    if finished:
        facts = {"fingerprint": fingerprint(asdict(settings)), "seed": settings.seed}
        run.write_summary(facts | {"seconds": 1.0, "choices": CHOICES, "command": "python"})
    return folder


def _answer(n_images: int, n_way: int, skill: float, random: np.random.Generator) -> Given:
    """Return true and given class numbers [N] and probabilities [N, way]."""
    true = np.arange(n_images) % n_way
    logits = random.normal(0, 1, (n_images, n_way))
    logits[np.arange(n_images), true] += 4 * skill
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return true, shares.argmax(axis=1), shares


def _metrics(epoch: int, skill: float, random: np.random.Generator) -> dict[str, Any]:
    grown = skill * (1 - 0.8**epoch) + random.normal(0, 0.02)
    row = {"epoch": epoch, "lr": 1e-3, "train_loss": 2 / epoch, "val_loss": 3 / epoch}
    accuracies = {"train_accuracy": min(1.0, 0.2 + grown), "val_accuracy": max(0.0, grown)}
    return row | accuracies | {"val_ci95": 0.02, "seconds": 1.0}


def _row(role: str, protocol: str, given: Given, names: tuple[str, ...]) -> dict[str, Any]:
    confusion = confusion_matrix(given[0], given[1], len(names))
    accuracy = float((given[0] == given[1]).mean())
    row: dict[str, Any] = {"role": role, "dataset": "rafdb_basic", "protocol": protocol}
    row |= {"n_way": len(names), "k_shot": 5, "n_query": len(given[0]), "episodes": 1}
    row |= {"disjoint": "group", "accuracy": accuracy, "uar": mean_recall(confusion)}
    for kind in ("ci95", "group_ci95"):
        row |= {f"{kind}_low": max(0.0, accuracy - 0.05), f"{kind}_high": min(1.0, accuracy + 0.05)}
    row |= {"loss": 1.5, "chance": 1 / len(names), "majority": 1 / len(names), "epoch": 2}
    row |= {"n_images": len(given[0]), "n_groups": len(given[0]), "level": "image"}
    row |= {"macro_f1": macro_f1(confusion), "method": "protonet", "episodes_id": "0" * 16}
    return row | ({"deviation": 0.0} if role != "train" else {})


def _write_answers(
    folder: Path, row: dict[str, Any], given: Given, names: tuple[str, ...], images: str
) -> None:
    true, predicted, shares = given
    paths = [f"{images}/{number:05}.jpg" for number in range(len(true))]
    asked = pd.DataFrame({"path": paths, "group": paths, "label": np.array(names)[true]})
    asked = asked.assign(asked=1.0, correct=(true == predicted).astype(float))
    for column in ("role", "protocol", "method", "level", "episodes_id"):
        asked[column] = row[column]
    add_answers(folder, asked[list(ANSWER_COLUMNS)])
    table = pd.DataFrame({"path": paths, "true": np.array(names)[true]})
    table = table.assign(predicted=np.array(names)[predicted], draw=0, clip="")
    for column in ("role", "protocol", "method"):
        table[column] = row[column]
    probabilities = pd.DataFrame(shares, columns=list(names))
    add_predictions(folder, table[list(PREDICTION_COLUMNS)].join(probabilities))
    confusion = confusion_matrix(true, predicted, len(names))
    counts = pd.DataFrame(confusion, index=list(names), columns=list(names))
    file = folder / f"confusion_{row['role']}_{row['protocol']}.csv"
    write_text(file, counts.to_csv(index_label="true"))


def main(folder: Path, n_runs: int, n_images: int, images: str = "") -> None:
    """Write runs that differ in seed, learning rate and way; with weights if there are images."""
    settings = settings_of("eval=basic_fixed5", "paths.data=/nowhere")
    settings.train.epochs = 60
    for number in range(n_runs):
        settings.seed = number
        settings.train.lr = 10.0 ** -(number % 3 + 2)
        settings.train.n_way = 3 + number % 4
        skill = 0.2 + 0.5 * (number % 17) / 17
        run = folder / f"run_{number:04}"
        fabricate_run(run, settings, n_images, images or "/nowhere", skill=skill)
        if images:
            _write_weights(run, settings)


def _write_weights(folder: Path, settings: TrainVerb) -> None:
    """Write best.pt with an encoder that has learnt nothing."""
    from fewshot_fer.models import build_encoder
    from fewshot_fer.runs.checkpoint import Checkpoint, save_checkpoint

    encoder = build_encoder(settings.backbone).state_dict()
    names, size = list(labels.BASIC), settings.backbone.side
    save_checkpoint(folder / "best.pt", Checkpoint(encoder, 2, 0.5, names, size, {}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
