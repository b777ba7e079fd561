"""python -m fewshot_fer.prepare: cut aligned faces out of AFEW's clips, or out of photographs."""

import sys
from pathlib import Path

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig

from fewshot_fer.cli.launch import launch
from fewshot_fer.cli.words import as_text
from fewshot_fer.config.verbs import PrepareVerb, validate_prepare
from fewshot_fer.system.garbage import loading


def prepare(config: DictConfig, _folder: Path) -> None:
    """Check the configuration, then write faces to the folder `out`."""
    settings = validate_prepare(config)
    with loading():  # torch, which comes only once all else is right
        from fewshot_fer.data.faces.prepare import prepare_session

    prepare_session(settings)


def main() -> None:
    """Entry point of the command line."""
    ConfigStore.instance().store(name="prepare_schema", node=PrepareVerb)
    words = sys.argv[1:]
    for key in ("afew", "images", "out"):
        words = [as_text(word, key) for word in words]
    sys.argv[1:] = words
    launch("prepare", prepare)


if __name__ == "__main__":
    main()
