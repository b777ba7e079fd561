"""python -m fewshot_fer.predict: name the expressions in photographs and videos.

In Python `fewshot_fer.predict("images=holiday", ...)`, see `fewshot_fer.api.verbs.predict`.
"""

from pathlib import Path

from fewshot_fer.api import verbs
from fewshot_fer.api.callable_module import make_callable
from fewshot_fer.cli.main import launch
from fewshot_fer.config.hydra import current_job
from fewshot_fer.config.verb_settings import PredictVerb

make_callable(__name__, verbs.predict)


def main() -> None:
    """Entry point of the command line."""
    launch("predict", predict)


def predict(settings: PredictVerb, folder: Path) -> None:
    """Classify the faces in the pictures that the settings name; write tables to `folder`."""
    verbs.predict(settings, folder=folder, job=current_job())


if __name__ == "__main__":
    main()
