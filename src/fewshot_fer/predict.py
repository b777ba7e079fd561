"""python -m fewshot_fer.predict: name the expressions in photographs and videos."""

import sys
from pathlib import Path

from omegaconf import DictConfig

from fewshot_fer.cli.launch import launch
from fewshot_fer.cli.words import as_list, as_text
from fewshot_fer.config.verbs import validate_predict


def predict(config: DictConfig, folder: Path) -> None:
    """Check the configuration and what it names, then answer; tables lie in `folder`."""
    from fewshot_fer.inference.inputs import find_inputs

    settings = validate_predict(config)
    inputs = find_inputs(settings.images)
    # Import torch late: wrong settings then fail in milliseconds.
    from fewshot_fer.inference.session import predict_session

    predict_session(settings, inputs, folder)


def main() -> None:
    """Entry point of the command line."""
    words = [as_list(as_list(word, "images"), "classes") for word in sys.argv[1:]]
    for key in ("run", "support", "enrol"):
        words = [as_text(word, key) for word in words]
    sys.argv[1:] = words
    launch("predict", predict)


if __name__ == "__main__":
    main()
