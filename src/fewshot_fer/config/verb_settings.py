"""Settings of predict, report, export and demo_app, each with its rules.

Values stand in conf/<verb>.yaml; what a field means is said there for users.
"""

import ipaddress
import math
from dataclasses import dataclass, field
from pathlib import Path

from fewshot_fer.config.names import a_device, at_least, inside, no_empty_name, one_of
from fewshot_fer.config.quoting import NewPath, PathText, pasteable
from fewshot_fer.system.errors import ConfigError

NEIGHBOURS = 5  # support images that explain=true shows
MOST_NEIGHBOURS = 20
MOST_RUNS = 26  # in a comparison; each has a letter


@dataclass
class RunChoice:
    """A trained run, which of its checkpoints, and the support that it classifies with."""

    run: PathText | None = None  # null: the starter, which needs no training
    checkpoint: str | None = None  # best or last; null: the run's train.tested
    support: PathText | None = None  # null: the run's own


def _check_run_choice(settings: RunChoice) -> None:
    if settings.checkpoint is not None:
        one_of("checkpoint", settings.checkpoint, ("best", "last"))
        if settings.run is None:
            raise ConfigError(f"checkpoint={settings.checkpoint} is of a run: give run= too")
    for key in ("run", "support"):
        _not_empty(key, getattr(settings, key))


def _not_empty(key: str, value: str | None) -> None:
    if value == "":
        raise ConfigError(f"{key} is empty: give a path, or leave {key}= out")


@dataclass
class PredictVerb(RunChoice):
    """Pictures, the run and support that classify them, and what is written beside the tables.

    support: a folder of <class>/ pictures, or a file that enrol= wrote.
    """

    images: list[PathText] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)  # known by their names: no picture is needed
    neutral: list[PathText] = field(default_factory=list)  # pictures of a person's neutral face
    enrol: NewPath | None = None  # a file to store the support in
    align: bool = True  # find and align faces; false: the pictures are crops
    align_support: bool | None = None  # null: as align
    fps: float | None = None  # frames a second of a video; null: all
    reject: float | None = None  # false-accept rate, 0..1
    explain: bool | int = False  # how many nearest support images; true: NEIGHBOURS
    refine: bool | str = False  # by all faces of the call; true, or a method's name
    draw: bool = False
    json: bool = False  # print JSON in the place of the table
    outputs: NewPath = "outputs"  # the folder that results are written below
    device: str = "auto"

    @property
    def neighbours(self) -> int:
        """Number of support images shown beside each prediction, 0 for none."""
        return NEIGHBOURS if self.explain is True else int(self.explain)

    @property
    def support_is_aligned(self) -> bool:
        """Whether faces are looked for in the pictures of a support= folder."""
        return self.align if self.align_support is None else self.align_support


def check_predict(settings: PredictVerb) -> None:
    """Raise ConfigError naming the key and the fix."""
    if not settings.images and settings.enrol is None:
        raise ConfigError("nothing to answer: give images=photo.jpg, a folder, a glob or a video")
    _check_run_choice(settings)
    _not_empty("enrol", settings.enrol)
    no_empty_name("images", settings.images, "a file")
    no_empty_name("classes", settings.classes, "a class")
    no_empty_name("neutral", settings.neutral, "a picture")
    if len(settings.classes) == 1 and settings.support is None and settings.reject is None:
        raise ConfigError(
            f"classes={settings.classes[0]} alone: every face would be that. Name a second class, "
            f"or give reject= so that a face can be none of these"
        )
    a_device(settings.device)
    if settings.reject is not None and not 0 <= settings.reject <= 1:
        raise ConfigError(
            f"reject={settings.reject} is out of range: it is the share of unknown expressions "
            f"that may be taken for a known one, from 0 to 1"
        )
    check_fps(settings.fps)
    if not 0 <= settings.neighbours <= MOST_NEIGHBOURS:
        raise ConfigError(
            f"explain={settings.explain} is out of range: true, false or a number of support "
            f"images up to {MOST_NEIGHBOURS}"
        )


def check_fps(fps: float | None) -> None:
    """Raise ConfigError for a number of frames a second that is none."""
    if fps is not None and not (math.isfinite(fps) and fps > 0):
        raise ConfigError(f"fps={fps} is out of range: frames a second, above 0")


@dataclass
class ExportVerb(RunChoice):
    """A run and the file that it becomes. support: a file that predict's enrol= wrote."""

    format: str = "onnx"  # of the file; onnx is the only one
    out: NewPath | None = None  # the file; null: <run>/<checkpoint>.onnx


def check_export(settings: ExportVerb) -> None:
    """Raise ConfigError naming the key and the fix."""
    one_of("format", settings.format, ("onnx",))
    _check_run_choice(settings)
    if settings.out is None:
        return
    out = Path(settings.out)
    if out.expanduser().is_dir():
        raise ConfigError(
            f"out={out} is a folder: name a file, {pasteable('out', out / 'faces.onnx')}"
        )
    if out.suffix != ".onnx":  # best.pt, by mistake
        raise ConfigError(
            f"out={out} does not end in .onnx: give {pasteable('out', out.with_suffix('.onnx'))}"
        )


@dataclass
class DemoAppVerb(RunChoice):
    """A run to try in a browser, and who can reach the page.

    support: a folder of <class>/ pictures, or a file that predict's enrol= wrote.
    """

    align: bool = True  # find and align faces; false: the pictures are crops
    host: str = "127.0.0.1"  # the address listened on; 0.0.0.0 lets other machines in
    port: int = 7860  # of the page's address
    max_mb: float = 20.0  # largest file that is taken, in megabytes
    device: str = "auto"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the page."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def check_demo_app(settings: DemoAppVerb) -> None:
    """Raise ConfigError naming the key and the fix."""
    _check_run_choice(settings)
    inside("port", settings.port, 1, 65535)
    inside("max_mb", settings.max_mb, 0, 1000, above_low=True)
    a_device(settings.device)
    if settings.support is not None and not Path(settings.support).expanduser().exists():
        raise ConfigError(f"support={settings.support} is not there")


@dataclass
class ReportVerb:
    """Runs to report on: one of `runs`, `study` and `compare` is given."""

    runs: list[PathText] = field(
        default_factory=list
    )  # folders below which any runs and sweeps lie
    embeddings: bool = True  # of runs: maps of their pictures' embeddings
    pictures: bool = True  # of runs: small copies of pictures in the page
    study: PathText | None = None  # the folder below which the study's runs lie
    compare: list[PathText] = field(default_factory=list)  # run folders, the first is the reference
    outputs: NewPath = "outputs"  # the folder that results are written below
    seed: int = 0  # of the bootstrap


def check_report(settings: ReportVerb) -> None:
    """Raise ConfigError naming the key and the fix."""
    given = [key for key in ("runs", "study", "compare") if getattr(settings, key)]
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)} are {len(given)} reports: give one of them")
    if not given:
        raise ConfigError(
            "nothing to report: give runs=outputs/, or give study=outputs/... or compare=runA,runB"
        )
    no_empty_name("runs", settings.runs, "a folder")
    if len(settings.compare) == 1:
        raise ConfigError(f"compare={settings.compare[0]} is one run: name two, with a comma")
    if len(settings.compare) > MOST_RUNS:
        raise ConfigError(f"compare has {len(settings.compare)} runs: {MOST_RUNS} at the most")
    no_empty_name("compare", settings.compare, "a run")
    at_least("seed", settings.seed, 0)
