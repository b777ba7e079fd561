"""python -m fewshot_fer.prepare: cut aligned faces out of AFEW's clips, or out of photographs."""

from pathlib import Path

from fewshot_fer.cli.main import launch
from fewshot_fer.config.verb_settings import PrepareVerb
from fewshot_fer.system.locks import own_folder


def main() -> None:
    """Entry point of the command line."""
    launch("prepare", prepare)


def prepare(settings: PrepareVerb, _folder: Path) -> None:
    """Write faces to the folder `out`."""
    with own_folder(Path(settings.out).expanduser()):
        # Import torch late: wrong settings then fail in milliseconds.
        from fewshot_fer.data.faces.prepare import prepare_session

        prepare_session(settings)


if __name__ == "__main__":
    main()
