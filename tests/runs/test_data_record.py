"""What a run remembers of its data, and what counts as a change of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from fewshot_fer.config.model_schema import BackboneConfig
from fewshot_fer.config.names import PLUGINS, import_plugins
from fewshot_fer.config.schema import DatasetConfig, EvalConfig, TestVerb, TrainVerb
from fewshot_fer.data.load import Source
from fewshot_fer.runs.data_record import (
    changed_since,
    changes,
    read_record,
    record_of_test,
    record_of_training,
    require_same_data,
    with_absolute_paths,
    write_record,
)
from fewshot_fer.system.errors import RunError

TABLE = {"images": 9, "names": "a", "pictures": "b"}


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (TABLE, []),
        (TABLE | {"pictures": "c"}, ["dataset, other pictures under the same names"]),
        (TABLE | {"names": "c"}, ["dataset, other names, labels, splits or groups"]),
        (TABLE | {"names": "c", "images": 8}, ["dataset, 9 images then, 8 now"]),
        ({"file": "c"}, ["dataset, another file"]),
    ],
)
def test_each_change_is_named(now: dict[str, object], said: list[str]) -> None:
    """What stands in one record alone is not at hand in the other: no change."""
    assert changes({"dataset": TABLE, "gone": TABLE}, {"dataset": now, "new": TABLE}) == said


def test_a_run_goes_on_with_its_own_data_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Weights that training began with count no more; a run of an earlier version is warned of."""
    write_record(tmp_path, {"dataset": TABLE, "backbone.weights": {"file": "a"}})
    require_same_data(tmp_path, {"dataset": TABLE, "backbone.weights": {"file": "b"}})
    with pytest.raises(RunError, match=r"dataset, other pictures.*paths\.data="):
        require_same_data(tmp_path, {"dataset": TABLE | {"pictures": "c"}})
    (tmp_path / "data.json").write_text("[]")
    assert read_record(tmp_path) is None
    require_same_data(tmp_path, {"dataset": TABLE})  # nothing is trained yet
    assert not caplog.messages
    (tmp_path / "last.pt").touch()
    require_same_data(tmp_path, {"dataset": TABLE})
    assert "is not checked" in caplog.text
    assert changed_since(TestVerb(), tmp_path) == ""


def test_a_job_done_by_other_files_is_not_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tested checkpoint, the module of an own method: edited or written anew, they count."""
    module, run = tmp_path / "an_own_method.py", tmp_path / "run"
    run.mkdir()
    (run / "best.pt").write_bytes(b"1")
    module.write_text("one = 1\n")
    monkeypatch.setenv(PLUGINS, "")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("FEWSHOT_FER_CACHE", str(tmp_path / "cache"))
    import_plugins([str(module)])
    settings, trained = TestVerb(run=str(run)), TrainVerb(dataset=DatasetConfig("folder"))
    trained.train.tested = "best"
    before = record_of_test(settings, trained, Source(tmp_path / "gone", demo=False))
    (run / "best.pt").write_bytes(b"2")
    module.write_text("one = 2\n")
    now = record_of_test(settings, trained, Source(tmp_path / "gone", demo=False))
    assert changes(before, now) == ["run, another file", "plugins, another file"]


def test_paths_hold_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that name data; what is no path stays as it is."""
    monkeypatch.chdir(tmp_path)
    test = EvalConfig(dataset=DatasetConfig(file="list.csv"))
    settings = TrainVerb(
        dataset=DatasetConfig(root="~/faces"),
        eval=EvalConfig(dataset=DatasetConfig(root="../more")),
        test={"own": test},
        backbone=BackboneConfig(weights="net.pth"),
    )
    placed = with_absolute_paths(settings)
    assert placed.dataset.root == str(Path.home() / "faces")
    assert placed.eval.dataset.root == str(tmp_path / "../more")
    assert placed.test["own"].dataset.file == str(tmp_path / "list.csv")
    assert placed.backbone.weights == str(tmp_path / "net.pth")
    assert (placed.paths.data, placed.eval.dataset.file) == (None, None)
    plain = replace(settings, backbone=BackboneConfig(weights="imagenet"))
    assert with_absolute_paths(plain).backbone.weights == "imagenet"
    assert with_absolute_paths(placed) == placed
    assert with_absolute_paths(TestVerb(test={"own": test})).test == placed.test


def test_the_sets_of_a_union_may_move_each_its_own_way(data: Path, tmp_path: Path) -> None:
    """A list lies elsewhere than the folder of the others, and is found again there alone."""
    records = []
    for place in ("here", "there/and/further"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "a.jpg").write_bytes(b"a")
        (tmp_path / place / "mmi.csv").write_text("path,label\na.jpg,anger\n")
        dataset = DatasetConfig("union", split="train", sets=["rafdb_basic", "csv"])
        dataset.file = str(tmp_path / place / "mmi.csv")
        settings = TrainVerb(dataset=dataset, eval=EvalConfig(dataset=DatasetConfig("afew")))
        settings.backbone = BackboneConfig("conv4")
        records.append(record_of_training(settings, Source(data, demo=False)))
    assert records[0] == records[1]
    assert records[0]["dataset"]["images"] == 43
    (tmp_path / place / "a.jpg").write_bytes(b"b")
    now = record_of_training(settings, Source(data, demo=False))
    assert changes(records[0], now) == ["dataset, other pictures under the same names"]
