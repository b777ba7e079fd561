"""python -m fewshot_fer.report: the study's table beside ours, or one run against another."""

import sys
from pathlib import Path

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig

from fewshot_fer.cli import launch
from fewshot_fer.reports.settings import ReportVerb, validate_report


def report(config: DictConfig, folder: Path) -> None:
    """Check the configuration, read the runs, print and write the table."""
    settings = validate_report(config)
    from fewshot_fer.reports.compare import compare_runs, compare_text
    from fewshot_fer.reports.study import study_table, study_text
    from fewshot_fer.runs import write_text

    if settings.study is not None:
        name, table = "study", study_table(Path(settings.study).expanduser())
        text = study_text(table)
    else:
        runs = [Path(run).expanduser() for run in settings.compare]
        name, table = "compare", compare_runs(runs, settings.seed)
        text = compare_text(table)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / f"{name}.csv", table.to_csv(index=False, float_format="%.6g"))
    write_text(folder / f"{name}.txt", text + "\n")
    print(f"{text}\n\nwritten to {folder}")


def main() -> None:
    """Entry point of the command line."""
    ConfigStore.instance().store(name="report_schema", node=ReportVerb)
    sys.argv[1:] = [_as_list(word) for word in sys.argv[1:]]
    launch("report", report)


def _as_list(word: str) -> str:
    """Write compare=a,b as the list that it means; Hydra would take it for a sweep."""
    runs = word.removeprefix("compare=")
    if runs == word or runs.startswith("["):
        return word
    quoted = ",".join("'" + run.replace("'", r"\'") + "'" for run in runs.split(","))
    return f"compare=[{quoted}]"


if __name__ == "__main__":
    main()
