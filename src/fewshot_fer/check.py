"""python -m fewshot_fer.check: find faults of the data that would make results wrong."""

import sys
from pathlib import Path

from fewshot_fer.cli.main import launch
from fewshot_fer.config.schema import CheckVerb
from fewshot_fer.system.locks import own_folder
from fewshot_fer.system.screen import IMPORTING, shown

INVALID = 1  # exit code


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
    with own_folder(folder):
        if settings.data is not None:
            from fewshot_fer.reports.audit.recognised_text import recognise_session

            recognise_session(settings.data, folder)
            return False
        # Import torch late: wrong settings then fail in milliseconds.
        with shown(IMPORTING):
            from fewshot_fer.reports.audit.audit import check_session

        return check_session(settings, folder)


if __name__ == "__main__":
    main()
