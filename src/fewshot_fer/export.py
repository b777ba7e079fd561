"""python -m fewshot_fer.export: write a trained run as one ONNX file."""

from pathlib import Path

from fewshot_fer.cli.main import launch
from fewshot_fer.config.verb_settings import ExportVerb
from fewshot_fer.system.screen import IMPORTING, shown


def main() -> None:
    """Entry point of the command line."""
    launch("export", export)


def export(settings: ExportVerb, _folder: Path) -> None:
    """Write the file."""
    # Import torch late: wrong settings then fail in milliseconds.
    with shown(IMPORTING):
        from fewshot_fer.inference.onnx import export_session

    export_session(settings)


if __name__ == "__main__":
    main()
