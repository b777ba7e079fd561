"""python -m fewshot_fer.prepare: cut aligned faces out of clips or photographs."""

from pathlib import Path

from fewshot_fer.cli.main import launch
from fewshot_fer.config.prepare_settings import PrepareVerb
from fewshot_fer.data.faces.shards import own_share
from fewshot_fer.system.screen import IMPORTING, shown


def main() -> None:
    """Entry point of the command line."""
    launch("prepare", prepare)


def prepare(settings: PrepareVerb, _folder: Path) -> None:
    """Write faces to the folder `out`."""
    with own_share(Path(settings.out).expanduser(), settings.shards, settings.shard):
        # Import torch late: wrong settings then fail in milliseconds.
        with shown(IMPORTING):
            from fewshot_fer.data.faces.prepare import prepare_session

        prepare_session(settings)


if __name__ == "__main__":
    main()
