"""python -m fewshot_fer.test: test a trained run on any data set and any shape of episodes."""

from pathlib import Path

from omegaconf import DictConfig

from fewshot_fer.cli.launch import launch


def test(config: DictConfig, folder: Path) -> None:
    """Check the configuration and run it; results lie in `folder`."""
    from fewshot_fer.config.checks import validate
    from fewshot_fer.config.schema import TestVerb

    settings = validate(config, TestVerb)
    # Import torch late: wrong settings then fail in milliseconds.
    from fewshot_fer.runs.test_run import test_session

    test_session(settings, folder)


def main() -> None:
    """Entry point of the command line."""
    launch("test", test)


if __name__ == "__main__":
    main()
