"""python -m fewshot_fer.test: test a trained run on any data set and any shape of episodes.

In Python `fewshot_fer.test("run=...", ...)`, see `fewshot_fer.api.training.test`.
"""

from pathlib import Path

from fewshot_fer.api import training
from fewshot_fer.api.callable_module import make_callable
from fewshot_fer.cli.main import launch
from fewshot_fer.config.hydra import current_job
from fewshot_fer.config.schema import TestVerb

make_callable(__name__, training.test)


def main() -> None:
    """Entry point of the command line."""
    launch("test", test)


def test(settings: TestVerb, folder: Path) -> None:
    """Test the run; results lie in `folder`."""
    training.test(settings, folder=folder, job=current_job())


if __name__ == "__main__":
    main()
