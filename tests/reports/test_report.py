"""Paired comparisons that can be trusted, and how the report fails."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import TINY, Command, assert_one_line
from numpy.typing import NDArray

from fewshot_fer.evaluation.metrics import group_interval
from fewshot_fer.evaluation.paired import paired_interval, verdict
from fewshot_fer.reports.compare import compare_runs, compare_text, pair_answers
from fewshot_fer.runs.evaluation_tables import ANSWER_COLUMNS
from fewshot_fer.system.errors import RunError

Floats = NDArray[np.float64]


def answers_of(correct: Floats, groups: NDArray[np.int64], **columns: object) -> pd.DataFrame:
    """Return answers.csv of one evaluation; each image asked once unless told otherwise."""
    paths = [f"/data/AFEW/val/anger/{row:05}.jpg" for row in range(len(correct))]
    table = pd.DataFrame({"path": paths, "group": [f"clip {group:04}" for group in groups]})
    given = {"role": "test", "protocol": "afew_4w5s", "method": "protonet", "level": "image"}
    given |= {"episodes_id": "00000000000001e5", "label": "anger", "asked": 1.0}
    return table.assign(correct=correct, **(given | columns))[list(ANSWER_COLUMNS)]


def write_run(folder: Path, *answers: pd.DataFrame) -> Path:
    """Make a run folder that holds answers only."""
    folder.mkdir(parents=True, exist_ok=True)
    pd.concat(answers).to_csv(folder / "answers.csv", index=False)
    return folder


def paired(first: Floats, second: Floats, groups: NDArray[np.int64]) -> pd.DataFrame:
    return pair_answers(answers_of(first, groups), answers_of(second, groups))


def test_interval_equals_a_brute_force_bootstrap() -> None:
    """Whole clips drawn with replacement, the same ones for both runs, one resample at a time."""
    random = np.random.default_rng(1)
    sizes = random.integers(1, 20, 30)
    groups = np.repeat(np.arange(30), sizes)
    first = (random.random(len(groups)) < np.repeat(random.random(30), sizes)).astype(float)
    second = (random.random(len(groups)) < np.repeat(random.random(30), sizes)).astype(float)
    rows = [np.flatnonzero(groups == group) for group in range(30)]
    differences = []
    for _ in range(4000):
        drawn = np.concatenate([rows[group] for group in random.integers(0, 30, 30)])
        differences.append(second[drawn].mean() - first[drawn].mean())
    ours = paired_interval(paired(first, second, groups), seed=0)
    assert ours == pytest.approx(np.quantile(differences, [0.025, 0.975]), abs=0.02)


def test_interval_holds_the_truth_and_pairing_narrows_it() -> None:
    """95 of 100 intervals hold the true difference; clips hard for both runs cost nothing."""
    random = np.random.default_rng(2)
    groups = np.repeat(np.arange(80), 6)
    frame = paired(np.zeros(480), np.zeros(480), groups)
    held, ratios = 0, []
    for trial in range(600):
        hard = np.repeat(random.beta(0.5, 0.5, 80), 6) * 0.8
        first = (random.random(480) < hard).astype(float)
        second = (random.random(480) < hard + np.repeat(random.uniform(0, 0.2, 80), 6)).astype(
            float
        )
        low, high = paired_interval(frame.assign(correct=first, other=second), trial)
        held += low <= 0.1 <= high
        if trial < 20:
            apart = [group_interval(run, np.ones(480), groups) for run in (first, second)]
            ratios.append((high - low) / np.hypot(*(top - bottom for bottom, top in apart)))
    assert held / 600 == pytest.approx(0.95, abs=0.02)
    assert np.mean(ratios) < 0.7


def test_labels_keep_their_balance_only_with_enough_groups() -> None:
    """One clip a label would leave nothing to vary, and call any two answers a proof."""
    groups = np.arange(40)
    first, second = np.zeros(40), np.repeat([0.0, 1.0], 20)
    frame = paired(first, second, groups).assign(label=np.repeat(["a", "b"], 20))
    assert paired_interval(frame, 0) == (0.5, 0.5)
    low, high = paired_interval(frame.assign(label=np.arange(40) // 5), 0)
    assert low < 0.45 < 0.55 < high
    low, high = paired_interval(frame.assign(label=np.arange(40), group=groups // 2), 0)
    assert low < 0.45 < 0.55 < high


def test_few_answers_prove_nothing() -> None:
    """All of five images right instead of wrong is chance once in sixteen; of six, in 32."""
    for count, expected in (
        (1, "no difference shown"),
        (5, "no difference shown"),
        (6, "B is better"),
    ):
        frame = paired(np.zeros(count), np.ones(count), np.arange(count))
        assert verdict(frame, paired_interval(frame, 0), ("A", "B")) == expected
    one_clip = paired(np.zeros(9), np.ones(9), np.zeros(9, dtype=np.int64))
    assert paired_interval(one_clip, 0) == (-1.0, 1.0)


def test_verdicts(tmp_path: Path) -> None:
    """A run against itself is exactly zero, and a clear gain is called one, either way round."""
    random = np.random.default_rng(3)
    weak = (random.random(300) < 0.3).astype(float)
    strong = np.maximum(weak, (random.random(300) < 0.3).astype(float))
    a = write_run(tmp_path / "a", answers_of(weak, np.arange(300)))
    b = write_run(tmp_path / "b", answers_of(strong, np.arange(300)))
    table = compare_runs([a, b, a], 0)
    assert table["verdict"].tolist() == ["B is better", "no difference shown"]
    assert table.loc[1, ["difference", "ci95_low", "ci95_high"]].tolist() == [0.0, 0.0, 0.0]
    assert table.loc[0, "difference"] == pytest.approx(strong.mean() - weak.mean())
    assert compare_runs([b, a], 0)["verdict"].tolist() == ["A is better"]
    assert "C protonet" in compare_text(table)


def test_answers_count_as_often_as_they_were_asked(tmp_path: Path) -> None:
    """Accuracies are those of results.csv: answers right out of answers given."""
    asked, right = np.array([1.0, 2, 7]), np.array([[1.0, 1, 0], [0.5, 2, 7]])
    runs = [
        write_run(tmp_path / str(run), answers_of(correct, np.arange(3), asked=asked))
        for run, correct in enumerate(right)
    ]
    row = compare_runs(runs, 0).iloc[0]
    assert [row["reference_accuracy"], row["accuracy"]] == pytest.approx([0.2, 0.95])


def test_images_are_paired_by_name_wherever_they_lie(tmp_path: Path) -> None:
    """Another data folder and another order change nothing; other images are refused."""
    correct = np.arange(12) % 2.0
    one, two = answers_of(correct, np.arange(12)), answers_of(correct, np.arange(12))
    two["path"] = two["path"].str.replace("/data", "/elsewhere/data")
    pair = [write_run(tmp_path / "a", one), write_run(tmp_path / "b", two[::-1])]
    row = compare_runs(pair, 0).iloc[0]
    assert row[["images", "difference", "ci95_high"]].tolist() == [12, 0.0, 0.0]
    for damaged in (two[1:], pd.concat([two, two]), two.assign(asked=2.0)):
        write_run(tmp_path / "b", damaged)
        with pytest.raises(RunError, match="test afew_4w5s image: the queries are not the same"):
            compare_runs(pair, 0)


def test_methods_are_paired(tmp_path: Path) -> None:
    """Each with itself; one that only one run has, with all of the other's, either way round."""
    right = np.ones(8)
    prototypes = answers_of(right, np.arange(8))
    both = (prototypes.assign(method="classifier"), prototypes)
    a, b = write_run(tmp_path / "a", *both), write_run(tmp_path / "b", prototypes)
    for runs, ours, theirs in (
        ([a, b], "method", "reference_method"),
        ([b, a], "reference_method", "method"),
    ):
        table = compare_runs(runs, 0)
        assert table[ours].tolist() == ["protonet", "protonet"]
        assert table[theirs].tolist() == ["classifier", "protonet"]


def test_other_episodes_are_named_beside_what_can_be_compared(tmp_path: Path) -> None:
    """Digests that pandas would read as the same number, 1e5 and 10e4, are other episodes."""
    right = np.ones(8)
    one, lost = answers_of(right, np.arange(8)), {"level": "clip_complete"}
    other = one.assign(protocol="basic", episodes_id="1e5")
    a = write_run(tmp_path / "a", one, other, one.assign(**lost))
    b = write_run(tmp_path / "b", one, other.assign(episodes_id="10e4"), one.assign(**lost))
    table = compare_runs([a, b], 0)
    assert table["verdict"].tolist() == ["no difference shown", "other episodes"]
    text = compare_text(table)
    assert "test basic: A and B answered different episodes; give both the same seed" in text


def test_a_run_that_shares_nothing_is_named(tmp_path: Path) -> None:
    """Of several runs none is left out without a word."""
    one = answers_of(np.ones(8), np.arange(8))
    runs = [write_run(tmp_path / name, one) for name in "ab"]
    table = compare_runs([*runs, write_run(tmp_path / "c", one.assign(role="validation"))], 0)
    assert table["verdict"].tolist() == ["no difference shown", "nothing in common"]
    assert "C: no role, protocol and level in common with A" in compare_text(table)


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        ((), "give study=outputs/... or compare=runA,runB"),
        (("study=a", "compare=a,a"), "give one of them"),
        (("runs=nowhere",), "nowhere is not a folder"),
        (("runs=empty",), "holds no run"),
        (("runs=a,,b",), "a comma too many"),
        (("runs=a", "study=b"), "runs and study are 2 reports"),
        (("runs=a", "embeddings=perhaps"), "embeddings"),
        (("compare=a",), "is one run"),
        (("compare=a,",), "comma too many"),
        (("compare=a,gone",), "gone is not a folder"),
        (("compare=a,empty",), "answers.csv is not there"),
        (("compare=a,other",), "different episodes were drawn in test afew_4w5s"),
        (("compare=a,apart",), "no role, protocol and level that the runs share"),
        (("compare=a,short",), "has no column protocol"),
        (("compare=a,bytes",), "answers.csv cannot be read"),
        (("compare=a,void",), "answers.csv has no answers"),
        (("compare=a,much",), "in line 4"),
        (("compare=a,words",), "in line 2"),
        (("compare=a,a", "seed=-1"), "seed=-1"),
        (("compare=a,a", "+sede=1"), "did you mean seed?"),
        (("compare=a,a", "sede=1"), "sede"),
        (("study=" + 300 * "x",), "cannot be read"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(
    command: Command, tmp_path: Path, arguments: tuple[str, ...], culprit: str
) -> None:
    """Whatever is wrong with the runs or the keys: one line that names it, code 2, no folder."""
    good = answers_of(np.ones(9), np.arange(9))
    write_run(tmp_path / "a", good)
    write_run(tmp_path / "other", good.assign(episodes_id="other"))
    write_run(tmp_path / "apart", good.assign(protocol="basic"))
    write_run(tmp_path / "void", good[:0])
    write_run(tmp_path / "much", good.assign(correct=np.r_[1, 1, 2, np.ones(6)]))
    write_run(tmp_path / "words", good.assign(asked="often"))
    for name, content in (("short", b"role,path\n1,2"), ("bytes", b"\xff\xfe\x00")):
        write_run(tmp_path / name, good)
        (tmp_path / name / "answers.csv").write_bytes(content)
    (tmp_path / "empty").mkdir()
    assert_one_line(command("report", *arguments), culprit)
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    "name", ["a b", "a=b", "it's", "back\\", "train/2026-11-23_15-03-35_demo_c39b4c"]
)
def test_names_of_runs_survive(command: Command, tmp_path: Path, name: str) -> None:
    """compare=a,b is a list, not a sweep, also with names that Hydra's grammar does not like."""
    write_run(tmp_path / name, answers_of(np.ones(9), np.arange(9)))
    outcome = command("report", f"compare={name},{name}")
    assert outcome.code == 0, outcome.err
    assert f"B  {name}\n" in outcome.out


def test_two_trained_runs_are_compared(command: Command, data: Path) -> None:
    """From two command lines to the verdict, on the same episodes of validation and test."""
    arguments = (*TINY, f"paths.data={data}", "test=afew_4w5s", "test.k_shot=2", "test.episodes=9")
    runs = [command("train", *arguments, f"train.epochs={epochs}").folder for epochs in (1, 2)]
    outcome = command("report", f"compare={runs[0]},{runs[1]}")
    assert outcome.code == 0, outcome.err
    table = pd.read_csv(outcome.folder / "compare.csv")
    assert table["protocol"].tolist() == ["compound_4w5s", "afew_4w2s"]
    results = pd.read_csv(runs[1] / "results.csv").set_index("protocol")
    for row in table.itertuples():
        assert row.accuracy == pytest.approx(results.loc[row.protocol, "accuracy"], abs=1e-4)
    assert "points" in outcome.out
