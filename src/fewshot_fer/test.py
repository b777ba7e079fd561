"""python -m fewshot_fer.test: test a trained run on any data set and any shape of episodes."""

from pathlib import Path

from omegaconf import DictConfig

from fewshot_fer.cli import launch
from fewshot_fer.garbage import loading


def test(config: DictConfig, folder: Path) -> None:
    """Check the configuration and run it; results lie in `folder`."""
    from fewshot_fer.config import TestVerb
    from fewshot_fer.validation import validate

    settings = validate(config, TestVerb)
    from fewshot_fer.drawing import drawing_beside
    from fewshot_fer.sweeps.job import in_sweep

    # The jobs of a sweep have the cores for themselves. Torch comes only once all else is right.
    with drawing_beside(wanted=not in_sweep()) as drawing:
        with loading():
            from fewshot_fer.sessions import test_session

        test_session(settings, folder, drawing)


def main() -> None:
    """Entry point of the command line."""
    launch("test", test)


if __name__ == "__main__":
    main()
