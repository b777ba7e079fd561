"""python -m fewshot_fer.test: test a trained run on any data set and any shape of episodes."""

from pathlib import Path

from omegaconf import DictConfig

from fewshot_fer.cli.launch import launch
from fewshot_fer.system.garbage import loading


def test(config: DictConfig, folder: Path) -> None:
    """Check the configuration and run it; results lie in `folder`."""
    from fewshot_fer.config.checks import validate
    from fewshot_fer.config.schema import TestVerb

    settings = validate(config, TestVerb)
    from fewshot_fer.config.hydra import in_sweep
    from fewshot_fer.system.drawing import drawing_beside

    # The jobs of a sweep have the cores for themselves. Torch comes only once all else is right.
    with drawing_beside(wanted=not in_sweep()) as drawing:
        with loading():
            from fewshot_fer.runs.test_run import test_session

        test_session(settings, folder, drawing)


def main() -> None:
    """Entry point of the command line."""
    launch("test", test)


if __name__ == "__main__":
    main()
