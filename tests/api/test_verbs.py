"""Every verb is a function of the library too: the same files, and an object to go on with."""

import importlib
import inspect
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pandas as pd
import pytest
from conftest import TINY, Command
from PIL import Image

import fewshot_fer as ff
from fewshot_fer.__main__ import VERBS
from fewshot_fer.config.schema import TrainVerb

WORDS = (*TINY, "train.epochs=1", "seed=3")


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> ff.Run:
    return ff.train(*WORDS, f"paths.data={data}", folder=tmp_path_factory.mktemp("verbs") / "run")


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_a_function_and_a_module(verb: str) -> None:
    """By one mechanism, whichever of the two was imported first; with a signature for help."""
    module = importlib.import_module(f"fewshot_fer.{verb}")
    assert getattr(ff, verb) is module
    assert callable(module.main)
    assert verb in ff.__all__
    signature = inspect.signature(module)
    assert next(iter(signature.parameters.values())).kind is inspect.Parameter.VAR_POSITIONAL


def test_mistakes_cost_no_torch() -> None:
    """Of every verb: an error of the family, which says what was wrong, and no exit."""
    code = f"""
import sys
import fewshot_fer as ff
for verb in {VERBS!r}:
    for words, said in ((["nonsense=1"], "nonsense"), ([3], "int is given"), (["-m"], "a sweep"),
                        (["hydra.run.dir=x"], "folder=")):
        try:
            getattr(ff, verb)(*words)
        except ff.UserError as error:
            assert said in str(error), (verb, error)
        else:
            raise AssertionError(verb)
sys.exit("torch" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_settings_are_words_that_can_be_changed(run: ff.Run, data: Path, tmp_path: Path) -> None:
    """A settings object trains as its words do; both at once are refused."""
    settings = ff.settings("train", *TINY, "seed=3", f"paths.data={data}")
    assert isinstance(settings, TrainVerb)
    settings.train.epochs = 1
    again = ff.train(settings, folder=tmp_path / "again")
    columns = ["role", "protocol", "accuracy", "loss", "episodes_id"]
    pd.testing.assert_frame_equal(again.results[columns], run.results[columns])
    with pytest.raises(ff.UserError, match="not both"):
        ff.train(settings, "seed=4")
    settings.train.epochs = -1
    with pytest.raises(ff.UserError, match=r"train\.epochs=-1"):
        ff.train(settings)
    with pytest.raises(ff.UserError, match="not a verb"):
        ff.settings("trian")  # type: ignore[call-overload]


def test_train_goes_on_where_a_run_was_stopped(run: ff.Run, tmp_path: Path) -> None:
    """With `resume=`: in the folder of that run, to the same figures."""
    stopped = shutil.copytree(run.folder, tmp_path / "stopped")
    (stopped / "summary.json").unlink()
    resumed = ff.train(f"resume={stopped}")
    assert resumed.folder == stopped
    assert (stopped / "summary.json").is_file()
    pd.testing.assert_frame_equal(resumed.metrics, run.metrics)
    with pytest.raises(ff.UserError, match="finished"):
        ff.train(f"resume={stopped}")


def test_test_returns_the_results_that_the_command_writes(
    run: ff.Run, data: Path, command: Command
) -> None:
    words = (f"run={run.folder}", "test=afew_4w5s", "test.n_way=3", "test.k_shot=1")
    words = (*words, "test.episodes=10", f"paths.data={data}", "methods=simpleshot")
    theirs = pd.read_csv(command("test", *words).folder / "results.csv")
    ours = ff.test(*words)
    pd.testing.assert_frame_equal(ours[theirs.columns], theirs)
    assert Path(ours["run"].unique().item()).parent == Path("outputs/test")
    assert ours["method"].tolist() == ["protonet", "simpleshot"]


def test_predict_returns_the_tables_that_the_command_writes(
    run: ff.Run, data: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """And prints nothing: the text of the command is the object's."""
    picture = next(data.rglob("basic/**/test_*.jpg"))
    words = (f"run={run.folder}", f"images={picture}", "align=false", "device=cpu")
    typed = command("predict", *words)
    ours = ff.predict(*words, folder="mine")
    assert capsys.readouterr().out == ""
    assert ours.text == typed.out.replace(str(typed.folder), "mine").strip()
    assert ours.tables == ("predictions",)
    theirs = pd.read_csv(typed.folder / "predictions.csv")
    pd.testing.assert_frame_equal(ours.table("predictions"), theirs)
    assert ours.text.splitlines()[0] in ours._repr_html_()
    with pytest.raises(ff.UserError, match="no table other; there are: predictions"):
        ours.table("other")


def test_report_returns_its_table_and_shows_its_page(run: ff.Run, tmp_path: Path) -> None:
    made = ff.report(f"runs={run.folder}", "embeddings=false", folder=tmp_path / "report")
    assert made.table("report")["verb"].unique().tolist() == ["train"]
    assert f'href="{tmp_path / "report" / "report.html"}"' in made._repr_html_()
    assert made.text.endswith(f"written to {tmp_path / 'report'}")


def test_check_returns_findings(data: Path, tmp_path: Path) -> None:
    """Of a training by its words or its settings, and of a folder by `data=`."""
    bad = shutil.copytree(data, tmp_path / "bad")
    pictures = sorted(bad.glob("RAF-DB/basic/Image/aligned/train_*.jpg"))
    next(bad.glob("RAF-DB/compound/Image/aligned/test_*.jpg")).write_bytes(pictures[0].read_bytes())
    settings = ff.settings("train", *TINY, f"paths.data={bad}")
    found = ff.check(settings, folder=tmp_path / "found")
    assert found.is_invalid
    frame = found.to_frame()
    assert "spoils" in frame["level"].tolist()
    assert str(pictures[0]) in str(frame["paths"].tolist())
    assert frame["title"].iloc[0] in found.text
    known = ff.check(f"data={data / 'AFEW'}", folder=tmp_path / "known")
    assert not known.is_invalid
    assert known.to_frame()["dataset"].tolist() == ["afew"]


@pytest.mark.slow
def test_export_returns_the_file(run: ff.Run, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    file = tmp_path / "faces.onnx"
    assert ff.export(f"run={run.folder}", f"out={file}") == file
    assert file.stat().st_size > 1000


def test_prepare_returns_the_folder(tmp_path: Path) -> None:
    """Of faces, beside the list of what became of each photograph."""
    pytest.importorskip("facenet_pytorch")
    (tmp_path / "in").mkdir()
    Image.new("RGB", (60, 60)).save(tmp_path / "in/nobody.png")
    out = ff.prepare(f"images={tmp_path / 'in'}", f"out={tmp_path / 'out'}", "device=cpu")
    assert out == tmp_path / "out"
    assert pd.read_csv(out / "manifest.csv")["status"].tolist() == ["no_face"]


@pytest.mark.slow
def test_a_page_is_served_until_it_is_closed(run: ff.Run) -> None:
    """While other work goes on; the next one too, and its port is free afterwards."""
    pytest.importorskip("gradio")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for _ in range(2):
        with ff.demo_app(f"run={run.folder}", f"port={port}", "align=false") as page:
            assert page.address == f"http://127.0.0.1:{port}"
            with urllib.request.urlopen(page.address) as reply:
                assert reply.status == 200
            assert page.address in page._repr_html_()
        page.close()
        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(page.address)
