"""python -m fewshot_fer.test: test a trained run on any data set and any shape of episodes."""

from pathlib import Path

from fewshot_fer.cli.main import launch
from fewshot_fer.config.schema import TestVerb
from fewshot_fer.system.locks import own_folder
from fewshot_fer.system.screen import IMPORTING, shown


def main() -> None:
    """Entry point of the command line."""
    launch("test", test)


def test(settings: TestVerb, folder: Path) -> None:
    """Test the run; results lie in `folder`."""
    with own_folder(folder):
        # Import torch late: wrong settings then fail in milliseconds.
        with shown(IMPORTING):
            from fewshot_fer.runs.evaluate_run import evaluate_run

        evaluate_run(settings, folder)


if __name__ == "__main__":
    main()
