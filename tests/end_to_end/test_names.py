"""Names that look like numbers, words of YAML or columns stay those names in every file."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Command, draw_pattern

from fewshot_fer.reports.html.mistakes import read_mistakes
from fewshot_fer.runs.evaluation_tables import add_predictions
from fewshot_fer.runs.read import read_answers, read_confusion

NAMES = (
    *("01", "1", "1.0", "1e3", "inf", "nan", "null", "none", "true", "false", "=1+1", "행복"),
    *('a, "b"', "role", "protocol", "method", "draw", "path", "clip", "predicted"),
)
Rows = list[dict[str, str]]


def rows_of(file: Path) -> Rows:
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def listed(tmp_path: Path) -> dict[str, str]:
    """Path -> class of a list whose clips are called like numbers too."""
    random, rows = np.random.default_rng(1), []
    for number, name in enumerate(NAMES):
        for picture in range(4):
            path = tmp_path / f"{number}_{picture}.png"
            draw_pattern(path, number, random)
            rows.append((str(path), name, f"00{4 * number + picture}"))
    with (tmp_path / "list.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "label", "clip"), *rows])
    return {path: name for path, name, _ in rows}


def test_classes_called_like_anything(
    command: Command, fixed_run: Path, data: Path, listed: dict[str, str]
) -> None:
    """Two tests on fixed supports, so that predictions.csv is read and written again: every file
    has the classes of the list, the likeliest class is the predicted one, and the readers of the
    report find the same."""
    first = [f"test.csv_5w5s.{word}" for word in ("kind=fixed", "n_way=0", "support_split=all")]
    first += ["test.csv_5w5s.dataset.split=all", "test.csv_5w5s.dataset.file=list.csv"]
    words = ("test=[csv_5w5s,basic_fixed5]", "test.k_shot=2", "test.support_draws=1")
    outcome = command("test", f"run={fixed_run}", *words, *first, f"paths.data={data}")
    assert outcome.code == 0, outcome.err
    of_both = rows_of(outcome.folder / "predictions.csv")
    predictions = [row for row in of_both if row["protocol"] == "csv_fixed2"]
    assert len(predictions) < len(of_both)
    shares = dict(zip(sorted(NAMES), list(predictions[0])[8 : 8 + len(NAMES)], strict=True))
    assert {name for name, column in shares.items() if name != column} == {
        *("role", "protocol", "method", "draw", "path", "clip", "true", "predicted")
    }
    for row in predictions:
        assert row["true"] == listed[row["path"]]
        assert row["clip"].startswith("00")
        given = {name: float(row[column]) for name, column in shares.items()}
        assert sum(given.values()) == pytest.approx(1, abs=1e-4)
        assert given[row["predicted"]] == max(given.values())
    check_tables(outcome.folder, listed, predictions)


def check_tables(folder: Path, listed: dict[str, str], predictions: Rows) -> None:
    answers, faults = read_answers(folder / "answers.csv")
    assert not faults
    own = answers[(answers["level"] == "frame") & (answers["protocol"] == "csv_fixed2")]
    assert own["label"].tolist() == [listed[path] for path in own["path"]]
    assert own["group"].str.startswith("00").all() or own["group"].str.endswith(".png").all()
    names, counts = read_confusion(folder / "confusion_test_csv_fixed2.csv")
    assert names == sorted(NAMES)
    pairs = pd.Series([(row["true"], row["predicted"]) for row in predictions]).value_counts()
    for (true, predicted), count in pairs.items():
        assert counts[names.index(true), names.index(predicted)] == count
    recalls = rows_of(folder / "recalls.csv")
    assert [row["class"] for row in recalls if "csv" in row["protocol"]] == sorted(NAMES)
    mistakes = read_mistakes(folder / "predictions.csv")
    for mistake in mistakes["test", "csv_fixed2", "protonet"]:
        assert (mistake.path, mistake.true, mistake.predicted) in {
            (row["path"], row["true"], row["predicted"]) for row in predictions
        }
        assert 1 / len(NAMES) <= mistake.probability <= 1
    assert json.loads((folder / "summary.json").read_text())["results"]


@pytest.mark.parametrize("names", [("01", "1", "1e3"), ("true", "false"), ("nan", "none")])
def test_predictions_that_are_read_again(tmp_path: Path, names: tuple[str, ...]) -> None:
    """Columns in which every cell looks like a number, a truth value or nothing stay as text."""
    common = {"role": "test", "protocol": "007", "method": "1e3", "draw": 0}
    for _ in range(2):
        rows = [{**common, "path": "0", "clip": "012", "true": name} for name in names]
        table = pd.DataFrame(rows).assign(predicted=names, **dict.fromkeys(["a", "b"], 0.1234567))
        add_predictions(tmp_path, table)
    written = rows_of(tmp_path / "predictions.csv")
    assert [row["true"] for row in written] == [*names, *names]
    assert [row["predicted"] for row in written] == [*names, *names]
    assert {(row["protocol"], row["method"], row["path"], row["clip"]) for row in written} == {
        ("007", "1e3", "0", "012")
    }
    assert {row["a"] for row in written} == {"0.123457"}
