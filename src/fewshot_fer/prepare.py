"""python -m fewshot_fer.prepare: cut aligned faces out of clips or photographs.

In Python `fewshot_fer.prepare("videos=clips", "out=faces")`, see `fewshot_fer.api.verbs.prepare`.
"""

from pathlib import Path

from fewshot_fer.api import verbs
from fewshot_fer.api.callable_module import make_callable
from fewshot_fer.cli.main import launch
from fewshot_fer.config.hydra import current_job
from fewshot_fer.config.prepare_settings import PrepareVerb

make_callable(__name__, verbs.prepare)


def main() -> None:
    """Entry point of the command line."""
    launch("prepare", prepare)


def prepare(settings: PrepareVerb, _folder: Path) -> None:
    """Write faces to the folder `out`."""
    verbs.prepare(settings, job=current_job())


if __name__ == "__main__":
    main()
