"""python -m fewshot_fer.report: a page on any runs, the study's table, or runs compared.

In Python `fewshot_fer.report("runs=outputs", ...)`, see `fewshot_fer.api.verbs.report`.
"""

from pathlib import Path

from fewshot_fer.api import verbs
from fewshot_fer.api.callable_module import make_callable
from fewshot_fer.cli.main import launch
from fewshot_fer.config.hydra import current_job
from fewshot_fer.config.verb_settings import ReportVerb

make_callable(__name__, verbs.report)


def main() -> None:
    """Entry point of the command line."""
    launch("report", report)


def report(settings: ReportVerb, folder: Path) -> None:
    """Read the runs, print the table and write it to `folder`."""
    verbs.report(settings, folder=folder, job=current_job())


if __name__ == "__main__":
    main()
