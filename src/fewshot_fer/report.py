"""python -m fewshot_fer.report: a page on any runs, the study's table, or runs compared."""

from pathlib import Path

from fewshot_fer.cli.launch import launch
from fewshot_fer.config.verbs import ReportVerb


def main() -> None:
    """Entry point of the command line."""
    launch("report", report)


def report(settings: ReportVerb, folder: Path) -> None:
    """Read the runs, print the table and write it to `folder`."""
    # Import pandas late: wrong settings then fail in milliseconds.
    from fewshot_fer.reports.session import report_session

    report_session(settings, folder)


if __name__ == "__main__":
    main()
