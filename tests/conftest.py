"""Small data sets in the real layouts, and a way to type commands without a new process."""

import importlib
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# One thread a process, before torch is imported, in the commands that tests start too: several
# processes run tests at once, and sums of tiny images would wait for other threads at each step.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import pytest
import torch
from bad_input.typing_commands import save_blank
from PIL import Image

from fewshot_fer.data import labels
from fewshot_fer.data.demo import ensure_demo

AFEW_CLASSES = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
TINY = (
    "train=fast",
    "backbone.filters=8",
    "backbone.image_size=32",
    "train.epochs=2",
    "train.episodes_per_epoch=4",
    "train.n_way=3",
    "train.k_shot=2",
    "train.n_query=2",
    "train.least_batches=0",
    "eval.episodes=10",
    "device=cpu",
)
"""Overrides that make a training run a matter of a second."""
FIXED = (*TINY[:-2], "device=cpu", "eval=basic_fixed5", "eval.k_shot=2", "eval.support_draws=1")
"""The same, validated with one draw of a fixed support in the place of episodes."""


def draw_pattern(path: Path, class_number: int, random: np.random.Generator) -> None:
    """Write a 40x40 picture whose stripes tell its class, under noise."""
    places = np.arange(40)
    stripes = np.sin((places[:, None] * (class_number % 4) + places * (class_number // 4 + 1)) / 5)
    pixels = 128 + 60 * stripes[..., None] + random.normal(0, 20, (40, 40, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def write_rafdb(root: Path, names: tuple[str, ...], n_train: int, n_test: int) -> None:
    """Write one subset of RAF-DB in its published layout."""
    random = np.random.default_rng(len(names))
    lines = []
    for split, count, digits in (("train", n_train, 5), ("test", n_test, 4)):
        for number in range(count * len(names)):
            class_number = number % len(names)
            name = f"{split}_{number + 1:0{digits}}"
            lines.append(f"{name}.jpg {class_number + 1}")
            draw_pattern(root / "Image/aligned" / f"{name}_aligned.jpg", class_number, random)
    (root / "EmoLabel").mkdir()
    (root / "EmoLabel/list_patition_label.txt").write_text("\n".join(lines))


def write_afew(root: Path, n_clips: int, n_frames: int) -> None:
    """Write AFEW as folders of frames, `n_clips` a class and split."""
    random = np.random.default_rng(7)
    for split_number, split in enumerate(("Train_AFEW", "Val_AFEW")):
        for class_number, name in enumerate(AFEW_CLASSES):
            pattern = labels.BASIC.index(labels.canonical(name))  # a class looks alike everywhere
            for clip in range(n_clips):
                number = 1_000_000 * split_number + 1000 * class_number + clip
                folder = root / split / name / f"{number:09}"
                for frame in range(n_frames):
                    draw_pattern(folder / f"{frame + 1:03}.jpg", pattern, random)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds RAF-DB (basic, compound) and AFEW, tiny, in the published layouts."""
    root = tmp_path_factory.mktemp("data")
    write_rafdb(root / "RAF-DB/basic", labels.BASIC, n_train=6, n_test=3)
    write_rafdb(root / "RAF-DB/compound", labels.COMPOUND, n_train=5, n_test=2)
    write_afew(root / "AFEW", n_clips=3, n_frames=3)
    return root


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache folder for the whole session, so that images are packed once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def demo(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small drawing of the embedded data set, made once for all processes that run tests."""
    everyone = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        everyone = everyone.parent
    drawn = ensure_demo(everyone / "drawn", 0.02, 0)
    # A test that ran a command on the embedded data has it there already.
    return shutil.copytree(drawn, cache / drawn.name, dirs_exist_ok=True)


@pytest.fixture(scope="session")
def fixed_run(data: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run on basic expressions, drawn as stripes, validated with a fixed support."""
    return train_in(tmp_path_factory.mktemp("fixed"), cache, *FIXED, f"paths.data={data}")


def train_in(folder: Path, cache: Path, *arguments: str) -> Path:
    """Type `python -m fewshot_fer.train <arguments>` in an empty folder; return the run's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("FEWSHOT_FER_CACHE", str(cache))
        patch.setattr(sys, "argv", ["fewshot_fer.train", *arguments])
        importlib.import_module("fewshot_fer.train").main()
    return next(folder.glob("outputs/train/*"))


DRAWING = ("runs.plots", "inference.clips", "reports.sweep", "reports.transfer_picture")  # modules


@pytest.fixture(autouse=True)
def blank_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write blank pictures, but in tests that are marked `drawn`: matplotlib would take a third of
    each tiny run, and the processor's time is what the whole suite waits for."""
    if request.node.get_closest_marker("drawn") is None:
        draw_blank(monkeypatch)


def draw_blank(patch: pytest.MonkeyPatch) -> None:
    """Write blank pictures from now on."""
    for module in DRAWING:
        patch.setattr(f"fewshot_fer.{module}.save_figure", save_blank)


@dataclass(frozen=True)
class Outcome:
    """What a command left: exit code, screen, and the one run folder it made, if any."""

    code: int
    out: str
    err: str
    made: Path | None

    @property
    def folder(self) -> Path:
        assert self.made is not None, self.err
        return self.made


Command = Callable[..., Outcome]


def assert_one_line(outcome: Outcome, culprit: str) -> None:
    """Require exit code 2 and one line on the screen that names what is wrong."""
    errors = [line for line in outcome.err.splitlines() if not line.startswith("warning: ")]
    assert outcome.code == 2
    assert len(errors) == 1, outcome.err
    assert errors[0].startswith("error: ")
    assert culprit in errors[0]


@pytest.fixture
def command(
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """Type `python -m fewshot_fer.<verb> <arguments>` in an empty folder, within this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEWSHOT_FER_CACHE", str(cache))
    monkeypatch.delenv("FEWSHOT_FER_DATA", raising=False)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)

    threads = torch.get_num_threads()

    def typed(verb: str, *arguments: str) -> Outcome:
        torch.set_num_threads(threads)  # as a new process has them, whatever the last one was told
        before = set(tmp_path.glob("outputs/*/*"))
        monkeypatch.setattr(sys, "argv", [f"fewshot_fer.{verb}", *arguments])
        monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
        code = 0
        try:
            importlib.import_module(f"fewshot_fer.{verb}").main()
        except SystemExit as exit_code:
            code = int(exit_code.code or 0)
        screen = capsys.readouterr()
        made = sorted(set(tmp_path.glob("outputs/*/*")) - before)
        return Outcome(code, screen.out, screen.err, made[0] if made else None)

    return typed


def face_table(sizes: dict[str, int], groups: dict[str, list[str]] | None = None) -> pd.DataFrame:
    """Return a FaceTable without files: class -> number of images, and the group of each."""
    from fewshot_fer.data.table import make_table

    rows: list[dict[str, object]] = []
    for label, size in sizes.items():
        for number in range(size):
            row: dict[str, object] = {"path": f"{label}/{number:05}", "label": label}
            row |= {"split": "all", "dataset": "made"}
            if groups is not None:
                row["group"] = groups[label][number]
            rows.append(row)
    return make_table(rows)


def touch(*files: Path) -> None:
    """Make files without content: what decoded one would fail."""
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def saved_anew(source: Path, target: Path, side: int, quality: int) -> None:
    """Write a copy of a picture with another size and compression."""
    with Image.open(source) as picture:
        picture.resize((side, side), Image.Resampling.BICUBIC).save(target, quality=quality)
