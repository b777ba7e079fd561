"""What `python -m fewshot_fer.predict` reads."""

import math
from dataclasses import dataclass, field

from omegaconf import MISSING, DictConfig

from fewshot_fer.errors import ConfigError
from fewshot_fer.verb_settings import read_settings

NEIGHBOURS = 5  # support images that explain=true shows
MOST_NEIGHBOURS = 20


@dataclass
class PredictVerb:
    """What is asked, of which run, with which support, and what is written besides the tables."""

    run: str = MISSING
    images: list[str] = field(default_factory=list)
    checkpoint: str | None = None  # best or last; null: the run's train.tested
    support: str | None = None  # a folder of classes or a stored support; null: the run's own
    classes: list[str] = field(default_factory=list)  # known by their names: no picture is needed
    enrol: str | None = None  # a file to store the support in
    align: bool = True  # find and align faces; false: the pictures are crops
    align_support: bool | None = None  # null: as align
    fps: float | None = None  # frames a second of a video; null: all
    reject: float | None = None  # false-accept rate, 0..1
    explain: bool | int = False  # how many nearest support images; true: NEIGHBOURS
    draw: bool = False
    json: bool = False  # print JSON in the place of the table
    outputs: str = "outputs"
    device: str = "auto"

    @property
    def neighbours(self) -> int:
        """Support images shown beside each answer, 0 for none."""
        return NEIGHBOURS if self.explain is True else int(self.explain)

    @property
    def support_is_aligned(self) -> bool:
        """Whether faces are looked for in the pictures of a support= folder."""
        return self.align if self.align_support is None else self.align_support


def validate_predict(config: DictConfig) -> PredictVerb:
    """Return the settings. Raises ConfigError naming the key and the fix."""
    settings = read_settings(config, PredictVerb)
    _check(settings)
    return settings


def _check(settings: PredictVerb) -> None:
    if not settings.images and settings.enrol is None:
        raise ConfigError("nothing to answer: give images=photo.jpg, a folder, a glob or a video")
    if "" in settings.images:
        raise ConfigError("images names a file with no name: is there a comma too many?")
    if len(settings.classes) == 1 and settings.support is None and settings.reject is None:
        raise ConfigError(
            f"classes={settings.classes[0]} alone: every face would be that. Name a second class, "
            f"or give reject= so that a face can be none of these"
        )
    if not all(name.strip() for name in settings.classes):
        raise ConfigError("classes names a class without a name: is there a comma too many?")
    _one_of("checkpoint", settings.checkpoint, ("best", "last", None))
    _one_of("device", settings.device, ("auto", "cpu", "cuda"))
    if settings.reject is not None and not 0 <= settings.reject <= 1:
        raise ConfigError(
            f"reject={settings.reject} is out of range: it is the share of unknown expressions "
            f"that may be taken for a known one, from 0 to 1"
        )
    if settings.fps is not None and not (math.isfinite(settings.fps) and settings.fps > 0):
        raise ConfigError(f"fps={settings.fps} is out of range: frames a second, above 0")
    if not 0 <= settings.neighbours <= MOST_NEIGHBOURS:
        raise ConfigError(
            f"explain={settings.explain} is out of range: true, false or a number of support "
            f"images up to {MOST_NEIGHBOURS}"
        )
    for key in ("run", "support", "enrol"):
        if getattr(settings, key) == "":
            raise ConfigError(f"{key} is empty: give a path, or leave {key}= out")


def _one_of(key: str, value: str | None, choices: tuple[str | None, ...]) -> None:
    if value not in choices:
        names = ", ".join(str(choice) for choice in choices if choice)
        raise ConfigError(f"{key}={value} is not known: choose one of {names}")
