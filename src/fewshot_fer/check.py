"""python -m fewshot_fer.check: find faults of the data that would make results wrong.

In Python `fewshot_fer.check("dataset=...", ...)`, see `fewshot_fer.api.verbs.check`.
"""

import sys
from pathlib import Path

from fewshot_fer.api import verbs
from fewshot_fer.api.callable_module import make_callable
from fewshot_fer.cli.main import launch
from fewshot_fer.config.hydra import current_job
from fewshot_fer.config.schema import CheckVerb

INVALID = 1  # exit code

make_callable(__name__, verbs.check)


def main() -> None:
    """Entry point of the command line. Exit code 1: results on these data would be wrong."""
    invalid: list[bool] = []
    launch("check", lambda settings, folder: invalid.append(check(settings, folder)))
    if any(invalid):
        sys.exit(INVALID)


def check(settings: CheckVerb, folder: Path) -> bool:
    """Return whether the data of a training command would make its results wrong.

    With `data` it is said instead which data sets lie in that folder.
    """
    return verbs.check(settings, folder=folder, job=current_job()).is_invalid


if __name__ == "__main__":
    main()
