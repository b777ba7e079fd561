"""The Python in the manual runs as it stands there, with small data in the places that it names."""

import re
import shutil
import socket
from itertools import cycle
from pathlib import Path

import pandas as pd
import pytest
import torch
from conftest import TINY

import fewshot_fer as ff

DOCS = Path(__file__).parents[2] / "docs"
SMALL = [word for word in TINY if not word.startswith(("train.epochs", "train=", "device"))]
SMALLER = {
    '"experiment=demo"': f'"experiment=demo", "demo.scale=0.02", "test.episodes=10", *{SMALL}',
    '"methods=all"': '"methods=all", "test.episodes=10"',
}


def blocks(page: str) -> list[str]:
    """Return the fenced blocks of a page."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)


@pytest.fixture
def place(
    demo: Path, data: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder with what the manual names: pictures of five classes, photographs, a run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEWSHOT_FER_CACHE", str(cache))
    found = cycle(sorted(demo.rglob("basic/Image/aligned/*.jpg")))
    named = [f"my_faces/{name}/{n}.jpg" for name in "abcde" for n in range(12)]
    named += [f"photographs/{name}/{n}.jpg" for name in "ab" for n in range(2)]
    for name in ["a.jpg", "holiday/a.jpg", *named]:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(next(found), name)
    ff.train(*TINY, f"paths.data={data}", "train.epochs=1", folder="outputs/train/...")
    return tmp_path


@pytest.mark.slow
@pytest.mark.usefixtures("place")
def test_the_quickstart_runs(capsys: pytest.CaptureFixture[str]) -> None:
    exec("".join(blocks("index.md")), {})
    accuracy, low, high = map(float, re.findall(r"[\d.]+", capsys.readouterr().out)[-3:])
    assert low <= accuracy <= high


@pytest.mark.slow
def test_the_page_on_python_runs(place: Path, data: Path) -> None:
    """With the types and shapes that its comments name."""
    for module in ("facenet_pytorch", "gradio", "onnxscript"):
        pytest.importorskip(module)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    names: dict[str, object] = {}
    for block in blocks("python_api.md"):
        code = block.replace("/data", str(data)).replace("demo_app()", f"demo_app('port={port}')")
        for given, smaller in SMALLER.items():
            code = code.replace(given, smaller)
        exec(code, names)
        if isinstance(z := names.get("z"), torch.Tensor):
            assert z.ndim == 2
    assert isinstance(names["names"], pd.DataFrame)
    assert isinstance(names["faces"], pd.DataFrame)
    assert isinstance(names["one_shot"], ff.Run)
    assert isinstance(names["file"], Path)
    assert isinstance(names["page"], ff.Page)
    names["page"].close()
    assert {path.parent.name for path in place.glob("outputs/*/*")} >= {"test", "report", "check"}
