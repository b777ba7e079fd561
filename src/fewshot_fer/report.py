"""python -m fewshot_fer.report: the study's table beside ours, or one run against another."""

import re
import sys
from pathlib import Path

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig

from fewshot_fer.cli import launch
from fewshot_fer.errors import RunError
from fewshot_fer.reports.settings import ReportVerb, validate_report

ITEM = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^,]*""")
"""A run in compare=a,b: in quotes, where its path holds a comma, or up to the next comma."""


def report(config: DictConfig, folder: Path) -> None:
    """Check the configuration, read the runs, print the table and write it to `folder`."""
    settings = validate_report(config)
    if settings.study:
        texts, screen = _study(Path(settings.study).expanduser())
    else:
        runs = [Path(run).expanduser() for run in settings.compare]
        texts, screen = _compare(runs, settings.seed)
    from fewshot_fer.runs import write_text

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_text(folder / name, text)
    except OSError as error:
        raise RunError(f"cannot write to {folder}: {error.strerror}") from error
    print(f"{screen}\n\nwritten to {folder}")


def _study(folder: Path) -> tuple[dict[str, str], str]:
    """Return the files of the study's report, name to content, and what goes on screen."""
    from fewshot_fer.reports.study import study_table
    from fewshot_fer.reports.study_markdown import study_markdown
    from fewshot_fer.reports.study_text import study_text

    table = study_table(folder)
    files = {"study.csv": table.to_csv(index=False, float_format="%.6g")}
    return files | {"study.md": study_markdown(table)}, study_text(table)


def _compare(runs: list[Path], seed: int) -> tuple[dict[str, str], str]:
    """Return the files of a comparison, name to content, and what goes on screen."""
    from fewshot_fer.reports.compare import compare_runs
    from fewshot_fer.reports.compare_text import compare_text

    table = compare_runs(runs, seed)
    return {"compare.csv": table.to_csv(index=False, float_format="%.6g")}, compare_text(table)


def main() -> None:
    """Entry point of the command line."""
    ConfigStore.instance().store(name="report_schema", node=ReportVerb)
    sys.argv[1:] = [as_list(word) for word in sys.argv[1:]]
    launch("report", report)


def as_list(word: str) -> str:
    """Write compare=a,b as the list that it means; Hydra would take it for a sweep.

    >>> as_list("compare=outputs/a,outputs/b")
    "compare=['outputs/a','outputs/b']"
    """
    runs = word.removeprefix("compare=")
    if runs in (word, "", "null") or runs.startswith("["):
        return word
    return f"compare=[{','.join(map(_quoted, _items(runs)))}]"


def _items(runs: str) -> list[str]:
    items, place = [], 0
    while place <= len(runs):
        found = ITEM.match(runs, place)
        assert found is not None  # the pattern also matches nothing
        items.append(found[0])
        place = found.end() + 1  # past the comma
    return items


def _quoted(item: str) -> str:
    """Return an item in quotes. In Hydra's, a backslash counts only in front of a quote."""
    if len(item) > 1 and item[0] == item[-1] and item[0] in "'\"":
        return item
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", item)
    return "'" + re.sub(r"(\\+)$", r"\1\1", escaped) + "'"


if __name__ == "__main__":
    main()
