"""python -m fewshot_fer.export: a trained run as one ONNX file."""

import sys
from pathlib import Path

from omegaconf import DictConfig

from fewshot_fer.cli.launch import launch
from fewshot_fer.cli.words import as_text
from fewshot_fer.config.verbs import validate_export


def export(config: DictConfig, _folder: Path) -> None:
    """Check the configuration, then write the file."""
    settings = validate_export(config)
    # Import torch late: wrong settings then fail in milliseconds.
    from fewshot_fer.inference.onnx import export_session

    export_session(settings)


def main() -> None:
    """Entry point of the command line."""
    words = sys.argv[1:]
    for key in ("run", "out", "support"):
        words = [as_text(word, key) for word in words]
    sys.argv[1:] = words
    launch("export", export)


if __name__ == "__main__":
    main()
