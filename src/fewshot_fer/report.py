"""python -m fewshot_fer.report: a page on any runs, the study's table, or runs compared."""

from pathlib import Path

from fewshot_fer.cli.main import launch
from fewshot_fer.config.verb_settings import ReportVerb
from fewshot_fer.system.files import write_text
from fewshot_fer.system.locks import own_folder


def main() -> None:
    """Entry point of the command line."""
    launch("report", report)


def report(settings: ReportVerb, folder: Path) -> None:
    """Read the runs, print the table and write it to `folder`. Raises RunError."""
    with own_folder(folder):
        files, screen = _files_and_screen(settings)
        for name, text in files.items():
            write_text(folder / name, text)
    print(f"{screen}\n\nwritten to {folder}")


def _files_and_screen(settings: ReportVerb) -> tuple[dict[str, str], str]:
    """Return the files of the report that is wanted, name to content, and the text for screen."""
    # Import pandas late: wrong settings then fail in milliseconds.
    if settings.study:
        from fewshot_fer.reports.study import study_report

        return study_report(Path(settings.study).expanduser())
    if settings.runs:
        from fewshot_fer.reports.html.report import runs_report

        roots = [Path(root).expanduser() for root in settings.runs]
        return runs_report(roots, settings.embeddings, settings.pictures)
    from fewshot_fer.reports.compare import compare_report

    return compare_report([Path(run).expanduser() for run in settings.compare], settings.seed)


if __name__ == "__main__":
    main()
