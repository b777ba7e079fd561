"""python -m fewshot_fer.demo_app: a page to try a trained run in a browser."""

import sys
from pathlib import Path

from omegaconf import DictConfig

from fewshot_fer.cli.launch import launch
from fewshot_fer.cli.words import as_text
from fewshot_fer.config.verbs import validate_demo_app


def demo_app(config: DictConfig, _folder: Path) -> None:
    """Check the configuration, then serve the page until Ctrl-C."""
    settings = validate_demo_app(config)
    # Import torch late: wrong settings then fail in milliseconds.
    from fewshot_fer.inference.page.server import serve

    serve(settings)


def main() -> None:
    """Entry point of the command line."""
    sys.argv[1:] = [as_text(as_text(word, "run"), "support") for word in sys.argv[1:]]
    launch("demo_app", demo_app)


if __name__ == "__main__":
    main()
