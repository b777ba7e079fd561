"""Train a run and test it, with the words of the command line or with settings."""

from pathlib import Path
from typing import TYPE_CHECKING

from fewshot_fer.api.words import new_folder, read_words
from fewshot_fer.config.hydra import Job
from fewshot_fer.config.schema import TestVerb, TrainVerb
from fewshot_fer.system.locks import own_folder
from fewshot_fer.system.screen import IMPORTING, shown

if TYPE_CHECKING:
    import pandas as pd

    from fewshot_fer.api.run import Run


def train(
    *words: str | TrainVerb, folder: str | Path | None = None, job: Job | None = None
) -> "Run":
    """Train a run, or go on with the one that `resume=` names, and return it.

    words: as typed, "experiment=demo", "train.epochs=2", or one settings object; folder: where the
    run is written, by default a new one in outputs/train/; job: of the command line alone. Raises
    UserError for settings that cannot work, and where data or disk fail.

    >>> run = train("experiment=demo", "train.epochs=2")  # doctest: +SKIP
    >>> run.plot_curves()  # doctest: +SKIP
    """
    settings, job = read_words("train", TrainVerb, words, job)
    # Import torch late: wrong settings then fail in milliseconds.
    with shown(IMPORTING):
        from fewshot_fer.training.launch import launch_training, resume_training

    if settings.resume is not None:
        resume_training(settings, list(job.words))
        return _trained(Path(settings.resume).expanduser())
    names = (settings.dataset.adapter, job.choices.get("experiment"))
    path = new_folder(folder, settings.paths.outputs, "train", *names)
    launch_training(settings, path, resumed=job.in_sweep, choices=job.choices)
    return _trained(path)


def test(
    *words: str | TestVerb, folder: str | Path | None = None, job: Job | None = None
) -> "pd.DataFrame":
    """Test a finished run on any data set and any shape of episodes; return its results.

    words: as typed, "run=outputs/train/...", "test=afew_4w5s", or one settings object; folder:
    where the tables are written, by default a new one in outputs/test/; job: of the command line
    alone. A row a result: `run`, that folder, before the columns of results.csv; none with
    `shard=`, which embeds alone. Raises UserError.

    >>> table = test("run=outputs/train/...", "test=afew_4w5s", "methods=all")  # doctest: +SKIP
    >>> table[["method", "accuracy"]]  # doctest: +SKIP
    """
    settings, job = read_words("test", TestVerb, words, job)
    path = new_folder(folder, settings.paths.outputs, "test")
    with own_folder(path):
        # Import torch late: wrong settings then fail in milliseconds.
        with shown(IMPORTING):
            import pandas as pd

            from fewshot_fer.api.results import results
            from fewshot_fer.runs.evaluate_run import evaluate_run

        evaluate_run(settings, path, job)
    return pd.DataFrame() if settings.shard is not None else results(path)


def _trained(folder: Path) -> "Run":
    from fewshot_fer.api.run import run_in

    return run_in(folder)
