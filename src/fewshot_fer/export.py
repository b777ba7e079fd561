"""python -m fewshot_fer.export: write a trained run as one ONNX file.

In Python `fewshot_fer.export("run=...")`, see `fewshot_fer.api.verbs.export`.
"""

from pathlib import Path

from fewshot_fer.api import verbs
from fewshot_fer.api.callable_module import make_callable
from fewshot_fer.cli.main import launch
from fewshot_fer.config.hydra import current_job
from fewshot_fer.config.verb_settings import ExportVerb

make_callable(__name__, verbs.export)


def main() -> None:
    """Entry point of the command line."""
    launch("export", export)


def export(settings: ExportVerb, _folder: Path) -> None:
    """Write the file."""
    verbs.export(settings, job=current_job())


if __name__ == "__main__":
    main()
