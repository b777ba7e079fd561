"""python -m fewshot_fer.prepare: cut aligned faces out of AFEW's clips, or out of photographs."""

import sys
from pathlib import Path

from omegaconf import DictConfig

from fewshot_fer.cli.launch import launch
from fewshot_fer.cli.words import as_text
from fewshot_fer.config.verbs import validate_prepare


def prepare(config: DictConfig, _folder: Path) -> None:
    """Check the configuration, then write faces to the folder `out`."""
    settings = validate_prepare(config)
    # Import torch late: wrong settings then fail in milliseconds.
    from fewshot_fer.data.faces.prepare import prepare_session

    prepare_session(settings)


def main() -> None:
    """Entry point of the command line."""
    words = sys.argv[1:]
    for key in ("afew", "images", "out"):
        words = [as_text(word, key) for word in words]
    sys.argv[1:] = words
    launch("prepare", prepare)


if __name__ == "__main__":
    main()
