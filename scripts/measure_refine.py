"""Measure what `predict refine=` gains over single faces, by the mix of classes in a folder.

    python scripts/measure_refine.py run=outputs/train/...

Takes the drawn compound faces, which the run never learnt: of five of their classes a support of 1
or 5 pictures each, and a folder of the others in some mix. Gains are in points over the same faces
classified one by one, with 95 % intervals over folders. Takes four minutes on one core.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import fewshot_fer as ff
from fewshot_fer.evaluation.metrics import NORMAL_95
from fewshot_fer.evaluation.support import SupportSet
from fewshot_fer.inference.classifier import FaceClassifier
from fewshot_fer.inference.refine import Refinement
from fewshot_fer.models.methods.registry import method_names
from fewshot_fer.runs.load import LoadedRun, load_run

FOLDERS = 100
WAY = 5
Mix = Callable[[np.random.Generator], NDArray[np.float64]]
MIXES: dict[str, Mix] = {
    "as many of each class": lambda _: np.ones(WAY),
    "any mix (Dirichlet)": lambda random: random.dirichlet(np.ones(WAY)),
    "two of five classes": lambda random: random.permutation([1.0, 1.0, 0.0, 0.0, 0.0]),
    "one class alone": lambda random: random.permutation([1.0, 0.0, 0.0, 0.0, 0.0]),
}


def main() -> None:
    """Print a row of a table for each size of folder, shot and mix."""
    trained = Path(sys.argv[1].removeprefix("run="))
    run = load_run(trained)
    faces = ff.read_dataset("rafdb_compound")
    embeddings = ff.load_run(trained).embed(faces)
    classes = [np.flatnonzero(faces["label"] == name) for name in sorted(faces["label"].unique())]
    methods = method_names(refines=True)
    print(f"| faces | shots | mix | alone | {' | '.join(methods)} |")
    for size in (20, 100):
        for shot in (1, 5):
            for name, mix in MIXES.items():
                random = np.random.default_rng([size, shot])
                folders = (folder(classes, shot, size, mix(random), random) for _ in range(FOLDERS))
                each = np.array([accuracies(run, embeddings, drawn) for drawn in folders])
                print(f"| {size} | {shot} | {name} | {row(100 * each)} |", flush=True)


def folder(
    classes: Sequence[NDArray[np.int64]],
    shot: int,
    size: int,
    mix: NDArray[np.float64],
    random: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return rows of a support [WAY, shot], and rows and labels of the faces in a folder."""
    chosen = [
        random.permutation(classes[place]) for place in random.permutation(len(classes))[:WAY]
    ]
    counts = np.round(size * mix / mix.sum()).astype(int)
    rows = [own[shot : shot + count] for own, count in zip(chosen, counts, strict=True)]
    labels = np.repeat(np.arange(WAY), [len(own) for own in rows])
    return np.array([own[:shot] for own in chosen]), np.concatenate(rows), labels


def accuracies(
    run: LoadedRun,
    embeddings: Tensor,
    drawn: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
) -> list[float]:
    """Return the accuracy of faces one by one, then together by each method."""
    support_rows, rows, labels = drawn
    shot = support_rows.shape[1]
    support = SupportSet(
        class_names=tuple(f"class {number}" for number in range(WAY)),
        embeddings=embeddings[support_rows.flatten()].float(),
        labels=torch.arange(WAY).repeat_interleave(shot),
        paths=tuple(map(str, support_rows.flatten())),
        weights=run.weights,
    )
    classifier, queries = FaceClassifier(run, support), embeddings[rows]
    found = [classifier.classify_embeddings(queries)]
    places = [(str(row), -1, 0) for row in rows]
    for by in method_names(refines=True):
        found.append(Refinement(classifier, by).classify_embeddings(queries, places))
    return [float((each.predicted == labels).mean()) for each in found]


def row(each: NDArray[np.float64]) -> str:
    """Return cells from accuracies [folders, 1 + methods]: the first, and gains over it."""
    gains = each[:, 1:] - each[:, :1]
    half = NORMAL_95 * gains.std(axis=0, ddof=1) / np.sqrt(len(gains))
    cells = (f"{mean:+.1f} ± {by:.1f}" for mean, by in zip(gains.mean(axis=0), half, strict=True))
    return f"{each[:, 0].mean():.1f} | {' | '.join(cells)}"


if __name__ == "__main__":
    main()
