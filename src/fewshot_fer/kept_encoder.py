"""An encoder from a file, kept with the run that was begun with it, which then needs it no more."""

import shutil
from dataclasses import replace
from pathlib import Path

from fewshot_fer.config import BackboneConfig, TrainVerb
from fewshot_fer.errors import writing
from fewshot_fer.models.encoder_files import WEIGHTS, encoder_file

CARD, SCRIPT = "encoder.yaml", "encoder.pt"


def keep_encoder(settings: BackboneConfig, run: Path) -> None:
    """Copy the card of an encoder's file, and a file of TorchScript, into a run's folder.

    Weights alone lie in the run's checkpoints. Raises WriteError.
    """
    if settings.name != "file":
        return
    file = encoder_file(settings.weights)
    copies = {run / CARD: file.with_suffix(".yaml")}
    if file.suffix != WEIGHTS:
        copies[run / SCRIPT] = file
    for target, source in copies.items():
        with writing(target):
            shutil.copyfile(source, target)


def with_kept_encoder(settings: TrainVerb, run: Path) -> TrainVerb:
    """Return a run's settings with the encoder's file that its folder holds, if it holds one."""
    backbone = settings.backbone
    if backbone.name != "file" or not (run / CARD).is_file():
        return settings
    file = run / SCRIPT
    weights = file if file.is_file() else file.with_suffix(WEIGHTS)
    return replace(settings, backbone=replace(backbone, weights=str(weights)))
