"""Tests with one state of the weights, and what of them reaches the run's folder."""

from fewshot_fer.answers import add_answers
from fewshot_fer.confusion import write_confusion
from fewshot_fer.embedding import Embedder
from fewshot_fer.evaluated import Evaluated
from fewshot_fer.models.answering import AnsweringMethod
from fewshot_fer.parts import Part
from fewshot_fer.predictions import add_predictions
from fewshot_fer.runs import RunFolder


def run_tests(
    folder: RunFolder,
    embedder: Embedder,
    method: AnsweringMethod,
    tests: list[Part],
    seed: int,
    epoch: int,
) -> None:
    """Score every test with one state of the weights; each reaches the disk as it is done."""
    for test in tests:
        add_evaluated(folder, test.evaluate(embedder, method, seed, 0, epoch))


def add_evaluated(folder: RunFolder, evaluated: Evaluated, with_confusion: bool = True) -> None:
    """Write what an evaluation gave: its rows, its confusion matrix, its predictions.

    A run has one matrix for a role and protocol: with_confusion is for the method that it is of.
    """
    for row in evaluated.rows:
        folder.add_result(row)
    if with_confusion:
        role, protocol = evaluated.rows[0]["role"], evaluated.rows[0]["protocol"]
        names, counts = evaluated.class_names, evaluated.confusion
        write_confusion(folder.folder, role, protocol, names, counts, folder.draw)
    add_answers(folder.folder, evaluated.answers)
    if evaluated.predictions is not None:
        add_predictions(folder.folder, evaluated.predictions)
