"""sweep=transfer: the data sets that it finds, its words, and what its jobs end in."""

import shutil
import signal
from pathlib import Path

import pandas as pd
import pytest
from command_processes import start_command, wait_for
from conftest import TINY, Command, touch

from fewshot_fer.cli.named_sweep import more_words
from fewshot_fer.cli.overrides import expand_sweep, hydra_words
from fewshot_fer.cli.sweep import plan_sweep
from fewshot_fer.config.hydra import compose
from fewshot_fer.reports.transfer import read_transfer
from fewshot_fer.system.errors import ConfigError

SMALL = (*TINY, "train.epochs=1", "eval.k_shot=1", "threads=1")
TARGETS = ("afew_7w1s", "basic_7w1s", "compound_5w1s")
DRAWN = ("paths=demo", "demo.scale=0.02", "test.episodes=20")
THREE = "dataset=afew,rafdb_basic,rafdb_compound"
SAME = {("afew", "afew_7w1s"), ("rafdb_basic", "basic_7w1s"), ("rafdb_compound", "compound_5w1s")}
EXACT = ("accuracy", "uar", "chance", "group_ci95_low", "group_ci95_high", "n_images", "pretrained")


def value(words: list[str], key: str) -> str:
    """Return what the one word of a key says."""
    (word,) = (word for word in words if word.startswith(f"{key}="))
    return word.removeprefix(f"{key}=")


def only_sweep(outputs: Path = Path("outputs")) -> Path:
    (found,) = (outputs / "sweeps").iterdir()
    return found


def texts(file: Path) -> pd.DataFrame:
    return pd.read_csv(file, dtype=str, keep_default_na=False)


def test_sources_and_targets_are_what_lies_there(data: Path, tmp_path: Path) -> None:
    """Each set whose adapter finds its files, and one test in episodes for each, in one order."""
    words = expand_sweep(["sweep=transfer", f"paths.data={data}"])
    assert value(words, "dataset") == "afew,rafdb_basic,rafdb_compound"
    tests = value(words, "test").strip("[]").split(",")
    settings = compose("train", [f"test=[{','.join(tests)}]"]).test
    adapters = [settings[test].dataset.adapter for test in tests]
    assert adapters == ["afew", "rafdb_basic", "rafdb_compound"]
    shutil.copytree(data / "AFEW", tmp_path / "EmotiW")  # another of the names that it has
    alone = expand_sweep(["sweep=transfer", f"paths.data={tmp_path}"])
    assert value(alone, "dataset") == "afew"


@pytest.mark.slow
def test_of_drawn_sets_those_that_are_named(
    demo: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside RAF-DB and AFEW; what another command left in the drawn set makes no difference."""
    monkeypatch.setenv("FEWSHOT_FER_CACHE", str(cache))
    words = ("sweep=transfer", *DRAWN[:2])
    named = hydra_words("train", [*words, "demo.layouts=[jaffe]"])
    assert value(named, "dataset") == "afew,jaffe,rafdb_basic,rafdb_compound"
    assert value(hydra_words("train", words), "dataset") == "afew,rafdb_basic,rafdb_compound"


def test_a_set_that_lies_there_damaged_is_named(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As against one that is not there at all, which needs no word."""
    shutil.copytree(data / "AFEW", tmp_path / "AFEW")
    labels = tmp_path / "RAF-DB/basic/EmoLabel/list_patition_label.txt"
    labels.parent.mkdir(parents=True)
    labels.write_text("train_00001.jpg 9")
    words = expand_sweep(["sweep=transfer", f"paths.data={tmp_path}"])
    assert value(words, "dataset") == "afew"
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert warnings[0].startswith("rafdb_basic is left out")
    assert str(labels) in warnings[0]


def test_nothing_is_decoded_where_sets_are_looked_for(tmp_path: Path) -> None:
    """Files without content are found; the jobs that decode them say what is wrong."""
    for name in ("Angry", "Happy"):
        touch(*(tmp_path / f"AFEW/Train_AFEW/{name}/{clip:09}/001.jpg" for clip in range(3)))
    words = expand_sweep(["sweep=transfer", f"paths.data={tmp_path}"])
    assert value(words, "dataset") == "afew"


def test_where_no_set_is_found_one_line_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none of .*rafdb_basic.* is found in .*paths\.data="):
        expand_sweep(["sweep=transfer", f"paths.data={tmp_path}"])
    with pytest.raises(ConfigError, match="is one of train"):
        expand_sweep(["sweep=transfer", "run=x"], "test")


def test_what_the_command_line_names_is_not_looked_for(tmp_path: Path) -> None:
    """Both sides are named: paths.data need not be there yet. test=a,b is one list for all jobs."""
    typed = ["sweep=transfer", THREE, "test=afew_7w1s,basic_7w1s", "test.episodes=7"]
    typed += [f"paths.data={tmp_path / 'gone'}", "seed=0,1", "train=classic", "train.epochs=3"]
    words = hydra_words("train", typed)
    assert value(words, "dataset") == THREE.removeprefix("dataset=")
    assert value(words, "test") == "[afew_7w1s,basic_7w1s]"
    assert value(words, "test.basic_7w1s.episodes") == "7"
    plan = plan_sweep("train", words, more_words(typed, words))
    assert plan is not None
    assert plan.jobs == 3 * 2 + 2  # a frozen encoder for each seed
    assert [line[-1] for line in plan.more] == ["hydra.sweep.subdir=6", "hydra.sweep.subdir=7"]
    # What was typed on the schedule is of the sources; everything else holds for the encoder too.
    words_of_one = [word for word in plan.more[0] if word != "-m"]
    frozen = compose("train", [word for word in words_of_one if not word.startswith("hydra.")])
    assert (frozen.train.epochs, frozen.backbone.name) == (0, "face_expression")
    assert (frozen.method.normalise, frozen.seed) == ("l2", 0)
    assert list(frozen.test) == ["afew_7w1s", "basic_7w1s"]
    assert frozen.test.afew_7w1s.episodes == 7
    other = plan_sweep("train", words)
    assert other is not None
    assert other.folder != plan.folder


def test_a_validation_that_is_named_counts(data: Path) -> None:
    """Else each source is validated on its own images, so that no target has a part in it."""
    place = f"paths.data={data}"
    words = expand_sweep(["sweep=transfer", "test=afew_7w1s", "dataset=rafdb_basic", place])
    config = compose("train", [word for word in words if word != "-m"])
    assert config.eval.dataset.adapter == "rafdb_basic"
    assert config.train.tested == "last"
    words = expand_sweep(["sweep=transfer", "test=afew_7w1s", THREE, "eval=basic_7w1s"])
    assert not [word for word in words if word.startswith("eval.")]


@pytest.mark.slow
def test_three_drawn_sets_end_in_one_matrix(command: Command, demo: Path) -> None:
    """Every figure is that of the job's own results.csv."""
    line = ("train", *SMALL, *DRAWN, "sweep=transfer", THREE, f"test={','.join(TARGETS)}")
    outcome = command(*line)
    assert outcome.code == 0, outcome.err
    folder = only_sweep()
    table = texts(folder / "transfer.csv")
    sources = ["afew", "rafdb_basic", "rafdb_compound", "frozen face_expression"]
    assert [tuple(pair) for pair in table[["source", "target"]].to_numpy()] == [
        (source, target) for source in sources for target in TARGETS
    ]
    for number, source in enumerate(sources):
        results = texts(folder / str(number) / "results.csv")
        own = table[table["source"] == source]
        tested = results[results["role"] == "test"]
        for column in EXACT:
            assert own[column].tolist() == tested[column].tolist()
    pairs = table.apply(lambda row: (row["source"], row["target"]), axis=1)
    assert set(pairs[table["same_set"] == "true"]) == SAME
    shared = dict(zip(pairs, table["n_shared"], strict=True))
    assert shared["afew", "basic_7w1s"] == "7"
    assert shared["rafdb_basic", "compound_5w1s"] == "0"
    assert shared["rafdb_compound", "compound_5w1s"] == "11"
    assert shared["frozen face_expression", "afew_7w1s"] == ""  # its training data are not known
    assert set(table.loc[table["source"] == sources[-1], "pretrained"]) == {"expressions"}
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count('class="same-set"><b>') == len(SAME)
    assert page.count("chance 14.3 %</small></th>") == 2  # in the heading of two columns


@pytest.mark.slow
def test_a_target_that_cannot_be_tested_leaves_its_cells_empty(
    command: Command, data: Path, tmp_path: Path
) -> None:
    """With the reason; once its data are there, the same command tests that job again."""
    place = tmp_path / "data"
    shutil.copytree(data / "RAF-DB", place / "RAF-DB")
    line = ("train", *SMALL, f"paths.data={place}", "-m", "dataset=rafdb_basic,rafdb_compound")
    line += ("test=[afew_7w1s,basic_7w1s]", "skip_bad_tests=true", "test.episodes=20")
    line += ("eval=compound_5w1s",)
    outcome = command(*line)
    assert outcome.code == 0, outcome.err
    folder = only_sweep()
    before = texts(folder / "transfer.csv").set_index(["source", "target"])
    lost = before.loc[("rafdb_basic", "afew_7w1s")]
    assert lost["accuracy"] == ""
    assert lost["error"].startswith("afew not found in")
    assert before.loc[("rafdb_basic", "basic_7w1s"), "accuracy"] != ""
    assert read_transfer(folder)[0].cells[0][0].accuracy is None
    shutil.copytree(data / "AFEW", place / "AFEW")
    outcome = command(*line)
    assert outcome.code == 0, outcome.err
    after = texts(folder / "transfer.csv").set_index(["source", "target"])
    assert "" not in set(after["accuracy"])
    assert set(after["error"]) == {""}
    whole = after.loc[("rafdb_basic", "basic_7w1s")]
    assert whole["accuracy"] == before.loc[("rafdb_basic", "basic_7w1s"), "accuracy"]
    assert command(*line).out.count("done before") == 2


@pytest.mark.slow
def test_killed_in_the_middle_it_ends_as_an_undisturbed_one(
    command: Command, demo: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL within the source's second job, and the same command again, whose jobs run at once in
    other processes: the same transfer.csv as of one that ran in turn. Two seeds."""
    words = [*SMALL, *DRAWN, "sweep=transfer", "dataset=rafdb_basic", "seed=0,1"]
    words += [f"test={','.join(TARGETS[:2])}"]
    whole = tmp_path / "whole"
    whole.mkdir()
    with monkeypatch.context() as elsewhere:
        elsewhere.chdir(whole)
        undisturbed = command("train", *words)
    assert undisturbed.code == 0, undisturbed.err
    killed = start_command(tmp_path, cache, "train", *words)
    wait_for(tmp_path, "outputs/sweeps/*/1/last.pt", killed)
    killed.process.kill()
    assert killed.end()[0] == -signal.SIGKILL
    assert not list(Path().glob("outputs/sweeps/*/transfer.csv"))
    one, other = (only_sweep(folder) for folder in (whole / "outputs", Path("outputs")))
    assert one.name == other.name
    assert (other / "0" / "DONE").is_file()
    times = {path: path.stat().st_mtime_ns for path in other.glob("0/*")}
    again = command("train", *words, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    assert again.code == 0, again.err
    assert {path: path.stat().st_mtime_ns for path in other.glob("0/*")} == times
    assert "written to" in (other / "3" / "job.log").read_text()
    for name in ("transfer.csv", "sweep.csv", "sweep_mean.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    before = (other / "transfer.csv").read_bytes()
    table = texts(other / "transfer.csv")
    assert set(table["seeds"]) == {"2"}
    assert len(table) == 2 * 2  # the source and the frozen encoder, on two targets
    assert command("train", *words).out.count("done before") == 2 * 2
    assert (other / "transfer.csv").read_bytes() == before
