"""Load a finished run for tests and inference: model, classes, support set, calibration."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.evaluation.calibration import Calibration, calibration_from
from fewshot_fer.evaluation.choose_method import choose_method, priors
from fewshot_fer.evaluation.embedder import Embedder, FewShotModel, NetworkViews
from fewshot_fer.evaluation.support import SupportSet, picture_rows, support_set
from fewshot_fer.evaluation.training_statistics import TrainingStatistics, statistics_from
from fewshot_fer.evaluation.views import Views
from fewshot_fer.models import build_encoder
from fewshot_fer.models.methods.composed import Priors
from fewshot_fer.models.methods.method import Method
from fewshot_fer.models.methods.registry import FEATURES, find_method
from fewshot_fer.models.network import Network, build_network
from fewshot_fer.models.preprocessing import Normalisation
from fewshot_fer.runs.checkpoint import Checkpoint, load_checkpoint
from fewshot_fer.runs.config_file import read_run_settings, with_kept_encoder
from fewshot_fer.system.device import DTYPES
from fewshot_fer.system.errors import RunError


@dataclass(frozen=True)
class LoadedRun:
    """A finished run, loaded from its checkpoint; no data set is needed."""

    folder: Path
    settings: TrainVerb  # as the run was configured
    embedder: Embedder
    image_size: int  # pixels a side
    class_names: tuple[str, ...]  # of the training set
    support: SupportSet  # the run's own, see `run_support`
    calibration: Calibration
    weights: str  # digest of all that makes an embedding, see `embedding_digest`
    method: Method
    known_priors: Priors | None  # None without statistics of training images
    views: NetworkViews | None = None  # what other methods see of an image
    is_starter: bool = False  # the package's own network, which no run trained

    @property
    def priors(self) -> Priors:
        """The priors of classes that are made of training classes, known by their names.

        Raises RunError where the run stores no statistics of its training images.
        """
        if self.known_priors is None:
            raise RunError(
                f"{self.folder} says nothing of its training images that method="
                f"{self.method.name} could compare, so classes= cannot be known by their names: "
                f"give pictures of them with support=folder, or train another run"
            )
        return self.known_priors

    def shares_pictures(self, support: SupportSet) -> bool:
        """Return whether a support is the run's own, a copy of it, or one that was joined to it."""
        own = set(self.support.paths)
        return any(support.paths[row] in own for row in picture_rows(support))


def load_run(run: Path, which: str | None = None, device: torch.device | str = "cpu") -> LoadedRun:
    """Read a run's checkpoint: `best`, `last`, or None for the one its tests took.

    Raises RunError where `run` is no trained run, or one that was stopped before its end.
    """
    settings = read_run_settings(run)
    name = which or settings.train.tested
    checkpoint = load_checkpoint(run / f"{name}.pt")  # the network alone goes to the device
    if checkpoint.support is None or checkpoint.calibration is None:
        raise RunError(f"{run} was stopped before its end, so {name}.pt holds no support yet")
    where = str(run / f"{name}.pt")
    as_kept = with_kept_encoder(settings, run)
    model = load_model(as_kept, checkpoint, torch.device(device), where)
    side = stored_statistics(checkpoint, where)
    known = None  # priors are of embeddings, and of no use beside maps or pixels
    if side is not None and model.method.on == FEATURES:
        known = priors(side, settings.method.normalise, settings.method)
    return LoadedRun(
        folder=run,
        settings=settings,
        embedder=model.embedder,
        image_size=checkpoint.image_size,
        class_names=tuple(checkpoint.class_names),
        support=support_set(checkpoint.support, where),
        calibration=calibration_from(checkpoint.calibration, where),
        weights=str(checkpoint.support["weights"]),
        method=model.method,
        known_priors=model.method.priors or known,
        views=model.views,
    )


def load_model(
    settings: TrainVerb,
    checkpoint: Checkpoint,
    device: torch.device,
    where: str = "the checkpoint",
    keep_in: Path | None = None,
) -> FewShotModel:
    """Return the model of a checkpoint; its embeddings are normalised as the run has it.

    Raises RunError naming `where` the checkpoint lay if it does not fit the settings.
    """
    network = load_network(settings, checkpoint, device, where)
    views = Views(settings, network, tuple(checkpoint.class_names), keep_in)
    embedder = views.embedder(find_method(settings.method.name).on)
    side = stored_statistics(checkpoint, where)
    _require_width(settings, views, checkpoint, side, where)
    needed = settings.method.normalise == "cl2n" or find_method(settings.method.name).zero_shot
    if side is None and needed:
        raise RunError(f"{where} says nothing of the training images")
    if settings.method.normalise != "none":
        kind = settings.method.normalise
        embedder = embedder.normalised(side.normalisation(kind) if side else Normalisation(kind))
    method = choose_method(settings.method, views, side, checkpoint.prior_weight)
    return FewShotModel(embedder, method, checkpoint.epoch, views)


def stored_statistics(checkpoint: Checkpoint, where: str) -> TrainingStatistics | None:
    """Return the statistics of training images in a checkpoint, None without any.

    Raises RunError naming `where` it lay if they are damaged.
    """
    if checkpoint.training_side is None:
        return None
    return statistics_from(checkpoint.training_side, where)


def load_network(
    settings: TrainVerb, checkpoint: Checkpoint, device: torch.device, where: str
) -> Network:
    """Return a checkpoint's weights in the network of the settings, in eval mode.

    Raises RunError naming `where` the checkpoint lay if it does not fit the settings.
    """
    if checkpoint.image_size != settings.backbone.image_size:
        raise RunError(
            f"{where} is of images of {checkpoint.image_size} pixels a side, the run's config.yaml "
            f"of {settings.backbone.image_size}"
        )
    dtype = DTYPES[settings.precision]
    encoder = build_encoder(settings.backbone, with_weights=False).to(device, dtype)
    kept = {"encoder": checkpoint.encoder, "head": checkpoint.head, "method": checkpoint.method}
    try:
        encoder.load_state_dict(checkpoint.encoder)  # first: a graph says only then how wide it is
        network = build_network(settings, encoder, len(checkpoint.class_names))
        network.load({name: state for name, state in kept.items() if state is not None})
    except (RuntimeError, KeyError) as error:
        raise RunError(f"{where} does not fit backbone {settings.backbone.name}") from error
    network.modules().eval()
    return network


def _require_width(
    settings: TrainVerb,
    views: Views,
    checkpoint: Checkpoint,
    side: TrainingStatistics | None,
    where: str,
) -> None:
    """Raise RunError where statistics or support are of embeddings of another width.

    The support is of what the run's method compares, the statistics of the encoder's embeddings.
    """
    support = (checkpoint.support or {}).get("embeddings")
    faces = (checkpoint.calibration or {}).get("unknown_faces")
    others = faces.values() if isinstance(faces, dict) else ()
    seen = [each for each in (support, *others) if isinstance(each, Tensor)]
    compared = find_method(settings.method.name).on
    for on, beside in ((FEATURES, [side.mean] if side else []), (compared, seen)):
        width = views.width(on) if beside else 0
        if any(each.shape[-1:] != (width,) for each in beside):
            raise RunError(f"{where}: its training images or its support are of another network")
