"""Make one of the three reports: a page on runs, the study's table, or runs compared."""

from pathlib import Path

from fewshot_fer.config.verbs import ReportVerb
from fewshot_fer.system.files import write_text, writing


def report_session(settings: ReportVerb, folder: Path) -> None:
    """Read the runs, print the table and write it to `folder`. Raises RunError."""
    if settings.study:
        texts, screen = _study(Path(settings.study).expanduser())
    elif settings.runs:
        from fewshot_fer.reports.html.report import runs_report

        roots = [Path(root).expanduser() for root in settings.runs]
        texts, screen = runs_report(roots, settings.embeddings, settings.pictures)
    else:
        runs = [Path(run).expanduser() for run in settings.compare]
        texts, screen = _compare(runs, settings.seed)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_text(folder / name, text)
    print(f"{screen}\n\nwritten to {folder}")


def _study(folder: Path) -> tuple[dict[str, str], str]:
    """Return the files of the study's report, name to content, and what goes on screen."""
    from fewshot_fer.reports.study import study_table
    from fewshot_fer.reports.study_text import study_markdown, study_text

    table = study_table(folder)
    files = {"study.csv": table.to_csv(index=False, float_format="%.6g")}
    return files | {"study.md": study_markdown(table)}, study_text(table)


def _compare(runs: list[Path], seed: int) -> tuple[dict[str, str], str]:
    """Return the files of a comparison, name to content, and what goes on screen."""
    from fewshot_fer.reports.compare import compare_runs, compare_text

    table = compare_runs(runs, seed)
    return {"compare.csv": table.to_csv(index=False, float_format="%.6g")}, compare_text(table)
