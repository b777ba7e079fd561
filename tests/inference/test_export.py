"""The exported file has the run's probabilities, and says what its user must know."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import FIXED, Command, assert_one_line
from PIL import Image

from fewshot_fer.data.decode import decode
from fewshot_fer.evaluation.support import SupportSet, save_support_set
from fewshot_fer.inference import onnx as onnx_file
from fewshot_fer.inference.classifier import FaceClassifier
from fewshot_fer.runs.load import load_run

SCRIPT = Path(__file__).parents[2] / "scripts/classify_with_onnx.py"

Session = Any  # of onnxruntime, which is imported late


def opened(path: Path) -> Session:
    onnx_file.require_onnx()  # sets what onnxruntime must find when it is imported
    import onnxruntime

    return onnxruntime.InferenceSession(str(path))


def probabilities(path: Path, crops: np.ndarray) -> np.ndarray:
    found: np.ndarray = opened(path).run(None, {"images": crops.transpose(0, 2, 3, 1)})[0]
    return found


def crops_of(data: Path) -> np.ndarray:
    files = sorted((data / "RAF-DB/basic/Image/aligned").glob("test_*.jpg"))[:5]
    return np.stack([decode(file, 32) for file in files])


@pytest.mark.parametrize(
    "changes",
    [("method=cosine", "method.normalise=cl2n"), ("backbone=resnet18", "method=classifier")],
)
def test_the_file_has_the_probabilities_of_predict(
    command: Command, data: Path, tmp_path: Path, changes: tuple[str, ...]
) -> None:
    """Real pictures, any number at once: the same probabilities from a method with normalised
    embeddings, and from a head behind another backbone. (Prototypes: in the next test.)"""
    words = [word for word in FIXED if "resnet18" not in changes[0] or "filters" not in word]
    run = command("train", *words, f"paths.data={data}", *changes).folder
    assert run is not None
    outcome = command("export", f"run={run}", f"out={tmp_path / 'my faces.onnx'}")
    assert outcome.code == 0, outcome.err
    shown = outcome.out.splitlines()
    assert len(shown) == 3  # torch's own remarks on an export are not the user's
    assert outcome.err == ""
    assert re.search(r"largest difference .* [\de.-]+, on noise and \d+ pictures", shown[1])
    crops = crops_of(data)
    trained = load_run(run)
    expected = FaceClassifier(trained, trained.support)
    assert (expected.head is not None) == ("method=classifier" in changes)
    found = probabilities(tmp_path / "my faces.onnx", crops)
    np.testing.assert_allclose(found, expected.classify(crops).probabilities, atol=1e-4)
    np.testing.assert_allclose(
        probabilities(tmp_path / "my faces.onnx", crops[:1]), found[:1], atol=1e-5
    )


def test_other_classes_and_metadata(
    command: Command, fixed_run: Path, data: Path, tmp_path: Path
) -> None:
    """A stored support replaces the run's classes, and its prototypes decide; labels and size stand
    in the file."""
    run = shutil.copytree(fixed_run, tmp_path / "run")
    trained = load_run(run)
    support = SupportSet(
        ("joy", "문"), torch.randn(4, trained.support.embeddings.shape[1]),
        torch.tensor([0, 0, 1, 1]), ("a", "b", "c", "d"), trained.weights,
    )  # fmt: skip
    save_support_set(tmp_path / "mine.pt", support)
    outcome = command("export", f"run={run}", f"support={tmp_path / 'mine.pt'}")
    assert outcome.code == 0, outcome.err
    written = run / f"{trained.settings.train.tested}.onnx"
    expected = FaceClassifier(trained, support).classify(crops_of(data)).probabilities
    np.testing.assert_allclose(probabilities(written, crops_of(data)), expected, atol=1e-4)
    about = opened(written).get_modelmeta().custom_metadata_map
    assert json.loads(about["labels"]) == ["joy", "문"]
    assert about["image_size"] == "32"
    assert about["weights"] == trained.weights
    assert float(about["temperature"]) == pytest.approx(trained.calibration.temperature)
    found = example_without_torch(written, tmp_path)
    shown = FaceClassifier(trained, support).classify(decode(tmp_path / "face.png", 32)[None])
    np.testing.assert_allclose(found, shown.probabilities[0], atol=1e-4)


def example_without_torch(written: Path, folder: Path) -> np.ndarray:
    """The script prints every label, likeliest first, without torch, and leaves no file at home.

    Returns its probabilities for a tall picture, partly transparent, that was stored lying down."""
    exif = Image.Exif()
    exif[0x0112] = 6
    noise = np.random.default_rng(3).integers(0, 256, (6, 11, 4), dtype=np.uint8)
    noise[..., 3] |= 128
    lying = Image.fromarray(noise).resize((88, 48), Image.Resampling.BICUBIC)
    lying.save(folder / "face.png", exif=exif)
    code = f"import sys, runpy; sys.argv = sys.argv[1:]; made = runpy.run_path({str(SCRIPT)!r}); "
    code += "assert 'torch' not in sys.modules; "
    code += f"made['np'].save({str(folder / 'shares.npy')!r}, made['probabilities'])"
    home = folder / "home"
    home.mkdir()
    kept = {"PATH": os.environ["PATH"], "HOME": str(home)}  # no CI=, which keeps it silent too
    done = subprocess.run(
        [sys.executable, "-c", code, "x", str(written), str(folder / "face.png")],
        capture_output=True,
        text=True,
        check=True,
        env=kept,
    )
    assert list(home.rglob("*")) == []
    lines = done.stdout.splitlines()
    assert {line.split()[0] for line in lines} == {"joy", "문"}
    shares = [float(line.split()[1].rstrip("%")) for line in lines]
    assert shares == sorted(shares, reverse=True)
    made: np.ndarray = np.load(folder / "shares.npy")
    return made


def test_a_file_that_differs_or_cannot_be_made_is_not_written(
    command: Command, fixed_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check on the spot decides, and leaves nothing behind; nor does what torch cannot put into
    ONNX."""
    before = set(fixed_run.iterdir())
    monkeypatch.setattr(onnx_file, "largest_difference", lambda *_: 0.01)
    outcome = command("export", f"run={fixed_run}")
    assert outcome.code == 2
    assert "differ from torch's by 0.01" in outcome.err
    assert set(fixed_run.iterdir()) == before

    def fail(*_: object, **__: object) -> None:
        root = ValueError("\nno such operator: foo\nand a page of advice")
        raise torch.onnx.OnnxExporterError("an error occurred\nsee above") from root

    monkeypatch.setattr(torch.onnx, "export", fail)
    outcome = command("export", f"run={fixed_run}")
    assert_one_line(outcome, "cannot be put into ONNX (ValueError: no such operator: foo)")
    assert set(fixed_run.iterdir()) == before


def test_mistakes_are_one_line(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No run, another format, a folder as file, a missing extra."""
    for arguments, says in (
        (["run=nowhere"], "nowhere is not the folder of a trained run"),
        (["run=nowhere", "format=tflite"], "format=tflite is not known"),
        (["run=nowhere", f"out={tmp_path}"], "is a folder"),
        (["run=nowhere", "out=last.pt"], "out=last.pt does not end in .onnx: give out=last.onnx"),
    ):
        outcome = command("export", *arguments)
        assert_one_line(outcome, says)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    outcome = command("export", "run=nowhere")
    assert "pip install 'fewshot_fer[onnx]'" in outcome.err
