"""What `python -m fewshot_fer.export` reads."""

from dataclasses import dataclass
from pathlib import Path

from omegaconf import MISSING, DictConfig

from fewshot_fer.errors import ConfigError
from fewshot_fer.verb_settings import read_settings


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
