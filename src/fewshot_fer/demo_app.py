"""python -m fewshot_fer.demo_app: serve a page to try a trained run in a browser."""

from pathlib import Path

from fewshot_fer.cli.main import launch
from fewshot_fer.config.verb_settings import DemoAppVerb
from fewshot_fer.system.screen import IMPORTING, shown


def main() -> None:
    """Entry point of the command line."""
    launch("demo_app", demo_app)


def demo_app(settings: DemoAppVerb, _folder: Path) -> None:
    """Serve the page until Ctrl-C."""
    # Import torch late: wrong settings then fail in milliseconds.
    with shown(IMPORTING):
        from fewshot_fer.inference.page.server import serve

    serve(settings)


if __name__ == "__main__":
    main()
