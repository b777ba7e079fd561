"""A trained run as those meet it who put it to use: weights, classes, support, calibration."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from fewshot_fer.calibration import Calibration, calibration_from
from fewshot_fer.checkpoints import Checkpoint, load_checkpoint
from fewshot_fer.config import TrainVerb
from fewshot_fer.device import DTYPES
from fewshot_fer.embedding import Embedder
from fewshot_fer.errors import RunError
from fewshot_fer.models import build_encoder
from fewshot_fer.run_settings import read_run_settings
from fewshot_fer.supervised import build_head
from fewshot_fer.support_set import SupportSet, support_set


@dataclass(frozen=True)
class TrainedRun:
    """What a finished run's checkpoint offers; no data set is needed."""

    folder: Path
    settings: TrainVerb  # as the run was configured
    embedder: Embedder
    image_size: int  # pixels a side
    class_names: tuple[str, ...]  # of the training set
    support: SupportSet  # the run's own, see own_support.py
    calibration: Calibration
    weights: str  # digest of the encoder's weights

    @property
    def head(self) -> nn.Module | None:
        """A classifier's own way to answer: embeddings [B, D] -> logits [B, C] of class_names."""
        return self.embedder.head

    def embed(self, pixels: Tensor) -> Tensor:
        """Return embeddings [B, D] of uint8 images [B, 3, image_size, image_size]."""
        return self.embedder.embed_pixels(pixels)


def load_trained(
    run: Path, which: str | None = None, device: torch.device | str = "cpu"
) -> TrainedRun:
    """Read a run's checkpoint: `best`, `last`, or None for the one its tests took.

    Raises RunError where `run` is no trained run, or one that was stopped before its end.
    """
    settings = read_run_settings(run)
    name = which or settings.train.tested
    checkpoint = load_checkpoint(run / f"{name}.pt", device)
    if checkpoint.support is None or checkpoint.calibration is None:
        raise RunError(f"{run} was stopped before its end, so {name}.pt holds no support yet")
    where = str(run / f"{name}.pt")
    return TrainedRun(
        folder=run,
        settings=settings,
        embedder=build_embedder(settings, checkpoint, torch.device(device)),
        image_size=checkpoint.image_size,
        class_names=tuple(checkpoint.class_names),
        support=support_set(checkpoint.support, where),
        calibration=calibration_from(checkpoint.calibration, where),
        weights=str(checkpoint.support["weights"]),
    )


def build_embedder(
    settings: TrainVerb,
    checkpoint: Checkpoint,
    device: torch.device,
    keep_in: Path | None = None,
) -> Embedder:
    """Return the embedder of a checkpoint's weights. Raises RunError where they do not fit."""
    dtype = DTYPES[settings.precision]
    encoder = build_encoder(replace(settings.backbone, weights="none")).to(device, dtype)
    head, names = None, tuple(checkpoint.class_names)
    try:
        encoder.load_state_dict(checkpoint.encoder)
        if checkpoint.head is not None:
            head = build_head(encoder, len(names), settings.backbone.image_size)
            head.load_state_dict(checkpoint.head)
    except RuntimeError as error:
        raise RunError(f"the checkpoint does not fit backbone {settings.backbone.name}") from error
    return Embedder(encoder, dtype, head, names, keep_in)
