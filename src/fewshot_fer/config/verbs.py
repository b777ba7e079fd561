"""What `python -m fewshot_fer.predict` reads.

What `python -m fewshot_fer.export` reads.

What `python -m fewshot_fer.prepare` reads.

What `python -m fewshot_fer.report` reads.

What `python -m fewshot_fer.demo_app` reads.
"""

import ipaddress
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

from omegaconf import MISSING, DictConfig

from fewshot_fer.config.read import read_settings
from fewshot_fer.system.errors import ConfigError

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
    _check_predict(settings)
    return settings


def _check_predict(settings: PredictVerb) -> None:
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


@dataclass
class ExportVerb:
    """Which run becomes which file."""

    run: str = MISSING
    format: str = "onnx"
    out: str | None = None  # the file; null: <run>/<checkpoint>.onnx
    checkpoint: str | None = None  # best or last; null: what the run was to be tested with
    support: str | None = None  # a file that predict's enrol= wrote; null: the run's own


def validate_export(config: DictConfig) -> ExportVerb:
    """Return the settings. Raises ConfigError naming the key and the fix."""
    settings = read_settings(config, ExportVerb)
    if settings.format != "onnx":
        raise ConfigError(f"format={settings.format} is not known: onnx is")
    if settings.checkpoint not in (None, "best", "last"):
        raise ConfigError(f"checkpoint={settings.checkpoint} is not known: choose best or last")
    if settings.out is not None and Path(settings.out).expanduser().is_dir():
        raise ConfigError(f"out={settings.out} is a folder: name a file, {settings.out}/faces.onnx")
    if settings.out is not None and Path(settings.out).suffix != ".onnx":  # best.pt, by mistake
        raise ConfigError(
            f"out={settings.out} does not end in .onnx: give "
            f"{Path(settings.out).with_suffix('.onnx')}"
        )
    return settings


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


MOST_RUNS = 26  # each has a letter


@dataclass
class ReportVerb:
    """One of `runs`, `study` and `compare` is given."""

    runs: list[str] = field(default_factory=list)  # folders below which any runs and sweeps lie
    embeddings: bool = True  # of runs: maps of what encoders make of the pictures
    pictures: bool = True  # of runs: small copies of pictures in the page
    study: str | None = None  # the folder below which the study's runs lie
    compare: list[str] = field(default_factory=list)  # run folders, the first is the reference
    outputs: str = "outputs"
    seed: int = 0  # of the bootstrap


def validate_report(config: DictConfig) -> ReportVerb:
    """Return the settings. Raises ConfigError naming the key and the fix."""
    settings = read_settings(config, ReportVerb)
    _check_report(settings)
    return settings


def _check_report(settings: ReportVerb) -> None:
    given = [key for key in ("runs", "study", "compare") if getattr(settings, key)]
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)} are {len(given)} reports: give one of them")
    if not given:
        raise ConfigError(
            "nothing to report: give runs=outputs/, or give study=outputs/... or compare=runA,runB"
        )
    if "" in settings.runs:
        raise ConfigError("runs names a folder with no name: is there a comma too many?")
    if len(settings.compare) == 1:
        raise ConfigError(f"compare={settings.compare[0]} is one run: name two, with a comma")
    if len(settings.compare) > MOST_RUNS:
        raise ConfigError(f"compare has {len(settings.compare)} runs: {MOST_RUNS} at the most")
    if "" in settings.compare:
        raise ConfigError("compare names a run with no name: is there a comma too many?")
    if settings.seed < 0:
        raise ConfigError(f"seed={settings.seed} is too small: it must be 0 or more")


@dataclass
class DemoAppVerb:
    """Which run is shown, and to whom."""

    run: str = MISSING
    checkpoint: str | None = None  # best or last; null: what the run was to be tested with
    support: str | None = None  # a folder of classes or a stored support; null: the run's own
    align: bool = True  # find and align faces; false: the pictures are crops
    host: str = "127.0.0.1"  # the address listened on; 0.0.0.0 lets other machines in
    port: int = 7860
    max_mb: float = 20.0  # largest file that is taken, in megabytes
    device: str = "auto"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the page."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def validate_demo_app(config: DictConfig) -> DemoAppVerb:
    """Return the settings. Raises ConfigError naming the key and the fix."""
    settings = read_settings(config, DemoAppVerb)
    if not 1 <= settings.port <= 65535:
        raise ConfigError(f"port={settings.port} is out of range: it must be from 1 to 65535")
    if not 0 < settings.max_mb <= 1000:
        raise ConfigError(f"max_mb={settings.max_mb} is out of range: it must be above 0 to 1000")
    if settings.checkpoint not in (None, "best", "last"):
        raise ConfigError(f"checkpoint={settings.checkpoint} is not known: choose best or last")
    if settings.device not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"device={settings.device} is not known: choose auto, cpu or cuda")
    if settings.support is not None and not Path(settings.support).expanduser().exists():
        raise ConfigError(f"support={settings.support} is not there")
    return settings
