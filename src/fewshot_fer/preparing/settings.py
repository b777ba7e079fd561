"""What `python -m fewshot_fer.prepare` reads."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path

from omegaconf import MISSING, DictConfig

from fewshot_fer.errors import ConfigError
from fewshot_fer.verb_settings import read_settings


@dataclass
class PrepareVerb:
    """One of `afew` and `images` is given."""

    afew: str | None = None  # the folder that holds Train_AFEW/<Class>/*.avi and Val_AFEW
    images: str | None = None  # a folder of photographs, with folders below it or without
    out: str = MISSING
    fps: float | None = None  # frames a second of a clip; null: every frame
    faces: str = "largest"  # of a photograph: largest or all
    size: int = 100  # pixels a side of an aligned face
    jobs: int = 0  # clips or photographs at a time; 0: as many as cores
    device: str = "auto"

    @property
    def source(self) -> Path:
        """The folder that is read."""
        return Path(self.afew or self.images or "").expanduser()

    def what_counts(self) -> dict[str, object]:
        """Return the settings that another result would come from."""
        kept = ("fps", "faces", "size")
        return {key: value for key, value in asdict(self).items() if key in kept}


def validate_prepare(config: DictConfig) -> PrepareVerb:
    """Return the settings. Raises ConfigError naming the key and the fix."""
    settings = read_settings(config, PrepareVerb)
    if (settings.afew is None) == (settings.images is None):
        raise ConfigError("give one of afew=/data/AFEW and images=/a/folder")
    if settings.fps is not None and not (math.isfinite(settings.fps) and settings.fps > 0):
        raise ConfigError(f"fps={settings.fps} is out of range: it must be above 0")
    if settings.faces not in ("largest", "all"):
        raise ConfigError(f"faces={settings.faces} is not known: choose largest or all")
    if not 16 <= settings.size <= 1024:
        raise ConfigError(f"size={settings.size} is out of range: it must be from 16 to 1024")
    if not 0 <= settings.jobs <= 256:
        raise ConfigError(f"jobs={settings.jobs} is out of range: it must be from 0 to 256")
    if settings.device not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"device={settings.device} is not known: choose auto, cpu or cuda")
    _check_folders(settings)
    return settings


def _check_folders(settings: PrepareVerb) -> None:
    key = "afew" if settings.afew is not None else "images"
    source, out = settings.source, Path(settings.out).expanduser()
    if not source.is_dir():
        found = "a file" if source.exists() else "nothing"
        raise ConfigError(f"{key}={source} is not a folder: found {found} there")
    if out.exists() and not out.is_dir():
        raise ConfigError(f"out={out} is a file: name a folder")
    inside = out.resolve().is_relative_to(source.resolve())
    if inside or source.resolve().is_relative_to(out.resolve()):
        raise ConfigError(f"out={out} and {key}={source} lie in one another: name another folder")
