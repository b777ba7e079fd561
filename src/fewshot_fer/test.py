"""python -m fewshot_fer.test: test a trained run on any data set and any shape of episodes."""

from pathlib import Path

from omegaconf import DictConfig

from fewshot_fer.cli import launch


def test(config: DictConfig, folder: Path) -> None:
    """Check the configuration and run it; results lie in `folder`."""
    from fewshot_fer.config import TestVerb
    from fewshot_fer.validation import validate

    settings = validate(config, TestVerb)
    from fewshot_fer.sessions import test_session  # imports torch, so only once all else is right

    test_session(settings, folder)


def main() -> None:
    """Entry point of the command line."""
    launch("test", test)


if __name__ == "__main__":
    main()
