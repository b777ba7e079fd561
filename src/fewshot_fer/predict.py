"""python -m fewshot_fer.predict: name the expressions in photographs and videos."""

from pathlib import Path

from fewshot_fer.cli.main import launch
from fewshot_fer.config.verb_settings import PredictVerb
from fewshot_fer.system.locks import own_folder
from fewshot_fer.system.screen import IMPORTING, shown


def main() -> None:
    """Entry point of the command line."""
    launch("predict", predict)


def predict(settings: PredictVerb, folder: Path) -> None:
    """Classify the faces in the pictures that the settings name; write tables to `folder`."""
    from fewshot_fer.inference.inputs import find_inputs

    inputs = find_inputs(settings.images)
    with own_folder(folder):
        # Import torch late: wrong settings and names of files then fail in milliseconds.
        with shown(IMPORTING):
            from fewshot_fer.inference.predict_inputs import predict_inputs

        predict_inputs(settings, inputs, folder)


if __name__ == "__main__":
    main()
