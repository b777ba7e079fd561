"""What is changed: good files of each kind, and what the tool itself reads them with."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from fewshot_fer.data.adapters.csv_list import read_csv_list
from fewshot_fer.data.adapters.label_list import read_label_list
from fewshot_fer.data.decode import decode
from fewshot_fer.episodes.saved import load_episodes
from fewshot_fer.evaluation.calibration import calibration_from
from fewshot_fer.evaluation.support import load_support_set, support_set
from fewshot_fer.evaluation.training_statistics import statistics_from
from fewshot_fer.runs.checkpoint import load_checkpoint
from fewshot_fer.runs.config_file import read_run_settings
from fewshot_fer.runs.resume import progress_of
from fuzzing import seeds

PILLOW = ("Jpeg", "Png", "Bmp", "Gif", "Tiff", "WebP", "Mpo", "Ppm")


@dataclass(frozen=True)
class Kind:
    """name: of the file that the tool reads; good: files to be changed; read: raises UserError, or
    nothing; count: inputs of a run without options; modules: where coverage guides."""

    name: str
    good: Callable[[Path], list[bytes]]
    read: Callable[[Path], object]
    count: int
    modules: tuple[str, ...]

    def watched(self) -> list[ModuleType]:
        """Return the modules where coverage guides."""
        return [importlib.import_module(name) for name in self.modules]


def _read_checkpoint(path: Path) -> None:
    """Read all that any command takes from a checkpoint."""
    checkpoint, where = load_checkpoint(path), str(path)
    if checkpoint.support is not None:
        support_set(checkpoint.support, where)
    if checkpoint.calibration is not None:
        calibration_from(checkpoint.calibration, where)
    if checkpoint.training_side is not None:
        statistics_from(checkpoint.training_side, where)
    progress_of(checkpoint, path)


KINDS = {
    "labels": Kind(
        "list.txt",
        lambda _: seeds.label_lists(),
        lambda path: read_label_list(path, 7),
        10_000,
        ("fewshot_fer.data.adapters.label_list",),
    ),
    "lists": Kind(
        "list.csv",
        seeds.csv_lists,
        read_csv_list,
        2_000,
        ("fewshot_fer.data.adapters.csv_list", "fewshot_fer.data.table"),
    ),
    "pictures": Kind(
        "picture.jpg",
        lambda _: seeds.pictures(),
        lambda path: decode(path, 32),
        2_000,
        (
            *("fewshot_fer.data.decode", "PIL.Image", "PIL.ImageFile"),
            *(f"PIL.{name}ImagePlugin" for name in PILLOW),
        ),
    ),
    "checkpoints": Kind(
        "last.pt",
        seeds.checkpoints,
        _read_checkpoint,
        500,
        (
            *(
                "fewshot_fer.runs.checkpoint",
                "fewshot_fer.system.files",
                "fewshot_fer.evaluation.support",
            ),
            *(
                "fewshot_fer.evaluation.calibration",
                "fewshot_fer.evaluation.training_statistics",
                "fewshot_fer.runs.resume",
            ),
            *("torch.serialization", "torch._weights_only_unpickler"),
        ),
    ),
    "stores": Kind(
        "store.pt",
        seeds.support_stores,
        load_support_set,
        300,
        (
            "fewshot_fer.evaluation.support",
            "fewshot_fer.system.files",
            "torch._weights_only_unpickler",
        ),
    ),
    "episodes": Kind(
        "episodes.npz",
        seeds.episode_files,
        lambda path: load_episodes(path, "test/x", seeds.table(), seeds.SHAPE),
        500,
        ("fewshot_fer.episodes.saved", "zipfile", "numpy.lib.format", "numpy.lib._npyio_impl"),
    ),
    "configs": Kind(
        "config.yaml",
        lambda _: seeds.configurations(),
        lambda path: read_run_settings(path.parent),
        300,
        (
            *(
                "fewshot_fer.runs.config_file",
                "fewshot_fer.system.files",
                "fewshot_fer.config.read",
            ),
            *("yaml.reader", "yaml.scanner", "yaml.parser", "yaml.composer", "yaml.constructor"),
        ),
    ),
}
