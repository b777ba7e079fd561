"""python -m fewshot_fer.check: report what would spoil a result before anything trains."""

import sys
from pathlib import Path

from fewshot_fer.cli.main import launch
from fewshot_fer.config.schema import TrainVerb

SPOILT = 1  # exit code


def main() -> None:
    """Entry point of the command line. Exit code 1: something would spoil a result."""
    spoilt: list[bool] = []
    launch("check", lambda settings, folder: spoilt.append(check(settings, folder)))
    if any(spoilt):
        sys.exit(SPOILT)


def check(settings: TrainVerb, folder: Path) -> bool:
    """Return whether the data of a training command would spoil its result."""
    # Import torch late: wrong settings then fail in milliseconds.
    from fewshot_fer.reports.audit.audit import check_session

    return check_session(settings, folder)


if __name__ == "__main__":
    main()
