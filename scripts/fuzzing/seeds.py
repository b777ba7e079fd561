"""Good files, small ones, to be changed."""

import io
from dataclasses import asdict
from functools import cache
from pathlib import Path

import pandas as pd
import torch
import yaml
from PIL import Image

from fewshot_fer.config.hydra import compose
from fewshot_fer.config.read import read_settings
from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.data.table import make_table
from fewshot_fer.episodes.pool import Shape, build_pool
from fewshot_fer.episodes.sampler import draw_episodes
from fewshot_fer.episodes.saved import save_episodes
from fewshot_fer.evaluation.calibration import Calibration
from fewshot_fer.evaluation.support import SupportSet, save_support_set
from fewshot_fer.evaluation.training_statistics import TrainingStatistics
from fewshot_fer.models.preprocessing import KINDS
from fewshot_fer.runs.checkpoint import Checkpoint, save_checkpoint
from fewshot_fer.runs.folder import METRIC_COLUMNS
from fewshot_fer.runs.resume import Progress

FORMS = (
    *(("RGB", "jpeg"), ("L", "jpeg"), ("CMYK", "jpeg"), ("RGB", "png"), ("P", "png")),
    *(("I;16", "png"), ("RGBA", "png"), ("P", "gif"), ("RGB", "bmp"), ("RGB", "tiff")),
    *(("RGB", "webp"), ("RGB", "ppm")),
)
SHAPE = Shape(2, 2, 1)


def label_lists() -> list[bytes]:
    """RAF-DB's lists: with both line ends, and of a single line."""
    lines = [f"train_{number:05}.jpg {number % 7 + 1}" for number in range(1, 40)]
    return ["\n".join(lines).encode(), "\r\n".join(lines[:5]).encode(), lines[0].encode()]


def csv_lists(folder: Path) -> list[bytes]:
    """Lists of pictures that lie in the folder."""
    names = ["a.jpg", "b c.jpg", "d,e.jpg"]
    for name in names:
        (folder / name).touch()
    rows = [f'"{name}",joy,S{place},train,c,{place}' for place, name in enumerate(names)]
    full = "\n".join(["path,label,group,split,clip,frame", *rows])
    return [
        full.encode(),
        b"path,label\na.jpg,happy\nb c.jpg,Sad\n",
        b"\xef\xbb\xbf" + full.encode(),
    ]


def pictures() -> list[bytes]:
    """A gradient in every form that is read."""
    return [_picture(mode, form) for mode, form in FORMS]


def _picture(mode: str, form: str) -> bytes:
    gradient = Image.linear_gradient("L").resize((48, 40))
    picture = gradient.convert("I").convert(mode) if mode == "I;16" else gradient.convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 6
    held = io.BytesIO()
    picture.save(held, format=form, **({"exif": exif} if form in ("jpeg", "png", "webp") else {}))
    return held.getvalue()


def checkpoints(folder: Path) -> list[bytes]:
    """The checkpoint of a finished run, with all that one can hold, and a bare one."""
    path = folder / "seed.pt"
    layer = torch.nn.Linear(4, 3)
    optimiser = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 4)).sum().backward()
    optimiser.step()
    bare = Checkpoint(layer.state_dict(), 1, 0.5, ["x", "y"], 32, optimiser.state_dict())
    row = dict.fromkeys(METRIC_COLUMNS, 0.5)
    side = {kind: torch.zeros(2, 3) for kind in KINDS}
    beside = {
        "head": {"weight": torch.zeros(2, 3)},
        "support": support().content(),
        "calibration": Calibration(1.0, 2.0, {"z": torch.zeros(2, 3)}).content(),
        "training_side": TrainingStatistics(
            ("x", "y"), torch.zeros(3), side, dict.fromkeys(KINDS, 1.0)
        ).content(),
        "prior_weight": 8.0,
        "raw": {"network": {"encoder": layer.state_dict()}, "steps": 3},
        "progress": asdict(Progress([row], {"epoch": 1}, 1, 0.5, 1.0, {"train": "fast"})),
    }
    found = []
    for content in (vars(bare) | beside, vars(bare)):
        save_checkpoint(path, Checkpoint(**content))
        found.append(path.read_bytes())
    return found


def support() -> SupportSet:
    """A support of three pictures of two classes."""
    labels = torch.tensor([0, 0, 1])
    return SupportSet(("x", "y"), torch.ones(3, 3), labels, ("1.jpg", "2.jpg", "3.jpg"), "0" * 16)


def support_stores(folder: Path) -> list[bytes]:
    """What `predict enrol=` writes."""
    save_support_set(folder / "seed.pt", support())
    return [(folder / "seed.pt").read_bytes()]


@cache
def table() -> pd.DataFrame:
    """A table of two classes, without files."""
    return make_table(
        [
            {"path": f"/{name}/{number}.jpg", "label": name, "split": "all", "dataset": "made"}
            for name in "xy"
            for number in range(6)
        ]
    )


def episode_files(folder: Path) -> list[bytes]:
    """Episodes over `table`."""
    drawn = draw_episodes(build_pool(table(), SHAPE), 5, seed=0)
    save_episodes(folder / "seed.npz", {"test/x": (table(), drawn)})
    return [(folder / "seed.npz").read_bytes()]


def configurations() -> list[bytes]:
    """The configuration of a run."""
    composed = compose("train", ["paths.data=/nowhere", "test=[basic_7w1s]"])
    text = yaml.safe_dump(asdict(read_settings(composed, TrainVerb)), sort_keys=False)
    return [text.encode(), text.replace("\n", "\r\n").encode()]
