"""python -m fewshot_fer.check: tell what would spoil a result before anything trains."""

import sys
from pathlib import Path

from omegaconf import DictConfig

from fewshot_fer.cli.launch import launch

SPOILT = 1


def check(config: DictConfig, folder: Path) -> bool:
    """Check the configuration, then the data; tell whether a result would be invalid."""
    from fewshot_fer.config.checks import validate
    from fewshot_fer.config.schema import TrainVerb

    settings = validate(config, TrainVerb)
    # Import torch late: wrong settings then fail in milliseconds.
    from fewshot_fer.reports.audit.audit import check_session

    return check_session(settings, folder)


def main() -> None:
    """Entry point of the command line. Exit code 1: something would spoil a result."""
    is_invalid: list[bool] = []

    def job(config: DictConfig, folder: Path) -> None:
        is_invalid.append(check(config, folder))

    launch("check", job)
    if any(is_invalid):
        sys.exit(SPOILT)


if __name__ == "__main__":
    main()
