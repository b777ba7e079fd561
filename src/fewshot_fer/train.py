"""python -m fewshot_fer.train: learn from one data set, validate and test on others.

In Python `fewshot_fer.train("experiment=demo", ...)`, see `fewshot_fer.api.training.train`.
"""

from pathlib import Path

from fewshot_fer.api import training
from fewshot_fer.api.callable_module import make_callable
from fewshot_fer.cli.main import launch
from fewshot_fer.config.hydra import current_job
from fewshot_fer.config.schema import TrainVerb

make_callable(__name__, training.train)


def main() -> None:
    """Entry point of the command line."""
    launch("train", train)


def train(settings: TrainVerb, folder: Path) -> None:
    """Train, or go on with a run that was stopped; results lie in the run's folder."""
    training.train(settings, folder=folder, job=current_job())


if __name__ == "__main__":
    main()
