"""python -m fewshot_fer.export: a trained run as one ONNX file."""

import sys
from pathlib import Path

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig

from fewshot_fer.cli.launch import launch
from fewshot_fer.cli.words import as_text
from fewshot_fer.config.verbs import ExportVerb, validate_export
from fewshot_fer.system.garbage import loading


def export(config: DictConfig, _folder: Path) -> None:
    """Check the configuration, then write the file."""
    settings = validate_export(config)
    with loading():  # torch, which comes only once all else is right
        from fewshot_fer.inference.onnx import export_session

    export_session(settings)


def main() -> None:
    """Entry point of the command line."""
    ConfigStore.instance().store(name="export_schema", node=ExportVerb)
    words = sys.argv[1:]
    for key in ("run", "out", "support"):
        words = [as_text(word, key) for word in words]
    sys.argv[1:] = words
    launch("export", export)


if __name__ == "__main__":
    main()
