"""python -m fewshot_fer.train: learn from one data set, validate and test on others."""

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig

from fewshot_fer.cli.main import launch
from fewshot_fer.config.hydra import choices, in_sweep
from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.system.screen import IMPORTING, shown

if TYPE_CHECKING:
    from fewshot_fer.api.run import Run


class CallableModule(ModuleType):
    """Makes `fewshot_fer.train(...)` train, though this module has that name too."""

    def __call__(self, *words: str | TrainVerb, folder: str | Path | None = None) -> "Run":
        """Train a run and return it, see `fewshot_fer.api.training.train`."""
        from fewshot_fer.api import training

        return training.train(*words, folder=folder)


sys.modules[__name__].__class__ = CallableModule


def main() -> None:
    """Entry point of the command line."""
    launch("train", train)


def train(settings: TrainVerb, folder: Path) -> None:
    """Train, or go on with a run that was stopped; results lie in the run's folder."""
    # Import torch late: wrong settings then fail in milliseconds.
    with shown(IMPORTING):
        from fewshot_fer.training.launch import launch_training, resume_training

    if settings.resume is not None:
        resume_training(settings, list(HydraConfig.get().overrides.task))
        return
    launch_training(settings, folder, resumed=in_sweep(), choices=choices())


if __name__ == "__main__":
    main()
