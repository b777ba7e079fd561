"""Settings of prepare, and their rules. Values stand in conf/prepare.yaml, with what they mean."""

from dataclasses import dataclass
from pathlib import Path

from omegaconf import MISSING

from fewshot_fer.config.names import a_device, inside, one_of
from fewshot_fer.config.quoting import NewPath, PathText
from fewshot_fer.config.shards import check_shards
from fewshot_fer.config.verb_settings import check_fps
from fewshot_fer.system.errors import ConfigError

SOURCES = ("afew", "videos", "images")


@dataclass
class PrepareVerb:
    """Clips or photographs that faces are cut out of: one of SOURCES is given."""

    afew: PathText | None = None  # the folder that holds Train_AFEW/<Class>/*.avi and Val_AFEW
    videos: PathText | None = None  # a folder of clips, with folders below it or without
    images: PathText | None = None  # likewise of photographs
    out: NewPath = MISSING
    fps: float | None = None  # frames a second of a clip; null: every frame
    faces: str = "largest"  # of a photograph: largest or all
    names: str = "whole"  # of a photograph's face: whole, a.png.jpg; or same, a.png
    size: int = 100  # pixels a side of an aligned face
    jobs: int = 0  # clips or photographs at a time; 0: as many as cores
    shards: int = 1  # how many commands share the work
    shard: int | None = None  # which of them this is, from 0
    device: str = "auto"

    @property
    def kind(self) -> str:
        """The key of SOURCES that is given."""
        return next((key for key in SOURCES if getattr(self, key) is not None), "")

    @property
    def source(self) -> Path:
        """The folder that is read."""
        return Path(getattr(self, self.kind or "images") or "").expanduser()

    @property
    def of_faces(self) -> dict[str, object]:
        """What other values give other faces for, and so another folder."""
        values: dict[str, object] = {"fps": self.fps, "faces": self.faces, "size": self.size}
        if self.names != "whole":  # which earlier versions did not know
            values["names"] = self.names
        return values


def check_prepare(settings: PrepareVerb) -> None:
    """Raise ConfigError naming the key and the fix."""
    if sum(getattr(settings, key) is not None for key in SOURCES) != 1:
        raise ConfigError(
            "give one of afew=/data/AFEW, videos=/data/clips and images=/a/folder of photographs"
        )
    check_fps(settings.fps)
    one_of("faces", settings.faces, ("largest", "all"))
    one_of("names", settings.names, ("whole", "same"))
    if settings.names == "same" and settings.faces == "all":
        raise ConfigError("names=same names one face a photograph: give faces=largest")
    inside("size", settings.size, 16, 1024)
    inside("jobs", settings.jobs, 0, 256)
    a_device(settings.device)
    check_shards(settings.shards, settings.shard)
    key, source, out = settings.kind, settings.source, Path(settings.out).expanduser()
    if not source.is_dir():
        found = "a file" if source.exists() else "nothing"
        raise ConfigError(f"{key}={source} is not a folder: found {found} there")
    if out.exists() and not out.is_dir():
        raise ConfigError(f"out={out} is a file: name a folder")
    below, above = out.resolve(), source.resolve()
    if below.is_relative_to(above) or above.is_relative_to(below):
        raise ConfigError(f"out={out} and {key}={source} lie in one another: name another folder")
