"""Other methods on the very episodes that a run's own was asked: one table with what each gains."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.config.schema import MethodConfig
from fewshot_fer.evaluation.embedder import FewShotModel
from fewshot_fer.evaluation.methods import composed
from fewshot_fer.evaluation.tasks import EpisodicTask, Task
from fewshot_fer.evaluation.training_statistics import TrainingStatistics
from fewshot_fer.models.methods import UNTRAINED
from fewshot_fer.models.methods.method import Method
from fewshot_fer.models.preprocessing import Normalisation
from fewshot_fer.runs.folder import RunFolder
from fewshot_fer.runs.tables import add_evaluation
from fewshot_fer.system.errors import ConfigError, RunError
from fewshot_fer.system.files import Row, writing

Z95 = 1.959964  # of a normal distribution
COLUMNS = (
    *("protocol", "method", "uses", "accuracy", "ci95_low", "ci95_high"),
    *("gain", "gain_low", "gain_high", "episodes", "seconds"),
)
"""Of methods.csv. gain: of accuracy over the run's own method, episode by episode, with its 95 %
interval; what both find hard does not widen it."""


def other_methods(
    names: Sequence[str], own: Method, side: TrainingStatistics | None, settings: MethodConfig
) -> list[Method]:
    """Return the methods that are named, each with embeddings as its paper has them; `all` are
    those that need no training. The run's own is left out.

    Raises RunError where the run does not know its training mean or prototypes.
    """
    if side is None:
        raise RunError("the run was trained by an earlier version: it lacks its training mean")
    every = [*UNTRAINED, "composed", "composed+bdcspn"]
    chosen = every if "all" in names else list(dict.fromkeys(names))
    made = []
    for name in chosen:
        if name == own.name:
            continue
        if name.startswith("composed"):
            by = name.partition("+")[2] or "none"
            method = composed(side, "cl2n", replace(settings, refine=by))
            made.append(replace(method, normalisation=side.normalisation("cl2n")))
            continue
        known = UNTRAINED[name]
        how = side.normalisation(known.normalise) if known.normalise else Normalisation()
        made.append(Method(name, known.logits, known.queries, normalisation=how))
    return made


def compare_methods(
    folder: RunFolder,
    model: FewShotModel,
    others: Sequence[Method],
    tasks: Sequence[Task],
    seed: int,
) -> pd.DataFrame:
    """Score the model's method and the others on the same episodes of every task.

    Rows reach results.csv as they are made and methods.csv at the end, which is returned; confusion
    and recalls are of the model's own method alone. A method that cannot score a task (no support,
    and no parts of its classes) is left out there. Raises ConfigError for a fixed support, against
    which methods that look at all queries together would depend on how these are cut up.
    """
    rows: list[Row] = []
    for task in _episodic(tasks):
        reference: NDArray[np.float64] | None = None
        for method in [model.method, *others]:
            if not _can_answer(method, task):
                continue
            started = time.perf_counter()
            evaluated = task.evaluate(model.with_method(method), seed)
            seconds = time.perf_counter() - started
            add_evaluation(folder, evaluated, with_confusion=method is model.method)
            assert evaluated.each is not None
            reference = evaluated.each if reference is None else reference
            headline = evaluated.rows[0] | {"seconds": round(seconds, 2)}
            rows.append(_row(headline, evaluated.each - reference))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    file = folder.folder / "methods.csv"
    with writing(file):
        table.to_csv(file, index=False, float_format="%.6g")
    return table


def _episodic(tasks: Sequence[Task]) -> Iterator[EpisodicTask]:
    for task in tasks:
        if not isinstance(task, EpisodicTask):
            raise ConfigError(
                f"methods are compared in episodes, and {task.protocol.title} has a fixed support: "
                f"take a test such as compound_4w5s"
            )
        yield task


def _can_answer(method: Method, task: EpisodicTask) -> bool:
    if method.name == "ptmap" and task.protocol.shape.n_query < 1:
        return False
    if method.priors is None or task.protocol.shape.k_shot > 0:
        return task.protocol.shape.k_shot > 0
    try:
        method.priors.require(task.protocol.pool.class_names, task.protocol.title)
    except ConfigError:
        return False
    return True


def _row(headline: Row, gains: NDArray[np.float64]) -> Row:
    half = Z95 * float(gains.std(ddof=1)) / float(np.sqrt(len(gains)))
    mean = float(gains.mean())
    known = {name: headline[name] for name in COLUMNS if name in headline}
    return {**known, "gain": mean, "gain_low": mean - half, "gain_high": mean + half}


def methods_text(table: pd.DataFrame) -> str:
    """Return the table for people: a block a protocol, accuracies and gains in percent."""
    lines = []
    for protocol, block in table.groupby("protocol", sort=False):
        lines.append(f"{protocol}, {block['episodes'].iloc[0]} episodes, the same for all")
        for number, row in enumerate(block.to_dict("records")):
            gain = "what others are held against"
            if number:
                gain = (
                    f"{100 * row['gain']:+5.1f} ({100 * row['gain_low']:+.1f} to "
                    f"{100 * row['gain_high']:+.1f})"
                )
            uses = f"  knows {row['uses']}" if row["uses"] else ""
            accuracy = f"{100 * row['accuracy']:5.1f} %"
            lines.append(
                f"  {row['method']:<22} {accuracy}  {gain:<29} {row['seconds']:6.1f} s{uses}"
            )
        lines.append("")
    return "\n".join(lines).rstrip()
