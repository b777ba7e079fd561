"""python -m fewshot_fer.demo_app: serve a page to try a trained run in a browser.

In Python `fewshot_fer.demo_app("run=...")`, see `fewshot_fer.api.verbs.demo_app`.
"""

from pathlib import Path

from fewshot_fer.api import verbs
from fewshot_fer.api.callable_module import make_callable
from fewshot_fer.cli.main import launch
from fewshot_fer.config.hydra import current_job
from fewshot_fer.config.verb_settings import DemoAppVerb

make_callable(__name__, verbs.demo_app)


def main() -> None:
    """Entry point of the command line."""
    launch("demo_app", demo_app)


def demo_app(settings: DemoAppVerb, _folder: Path) -> None:
    """Serve the page until Ctrl-C."""
    with verbs.demo_app(settings, job=current_job()) as page:
        page.wait()


if __name__ == "__main__":
    main()
