"""A trained run, or the starter, in Python: embed, evaluate, predict."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fewshot_fer.api.faces import pool_of
from fewshot_fer.api.inline import show_inline
from fewshot_fer.api.pictures import Pictures, crops_of, named, pixels_of
from fewshot_fer.api.scores import Scores
from fewshot_fer.data.faces.detector import load_detector
from fewshot_fer.data.packed_images import load_images
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.episodes.sampler import Episodes
from fewshot_fer.evaluation.choose_method import other_methods
from fewshot_fer.evaluation.embedder import FewShotModel
from fewshot_fer.evaluation.support import SupportSet
from fewshot_fer.evaluation.tasks import EpisodicTask
from fewshot_fer.inference.classifier import FaceClassifier
from fewshot_fer.inference.crops import Cropper
from fewshot_fer.inference.enrol import resolve_support, with_run_priors
from fewshot_fer.inference.pipeline import rows_of, rows_together
from fewshot_fer.inference.predict_inputs import rejection_for
from fewshot_fer.inference.refine import refinement
from fewshot_fer.inference.tables import PLACE, PREDICTION, USES
from fewshot_fer.models.backbones.face_expression import CLASSES
from fewshot_fer.models.methods.method import Method
from fewshot_fer.runs import load
from fewshot_fer.runs import starter as packaged
from fewshot_fer.runs.checkpoint import load_checkpoint
from fewshot_fer.runs.load import LoadedRun
from fewshot_fer.runs.plots import curves_figure
from fewshot_fer.system.device import prepare_device
from fewshot_fer.system.errors import DataError, RunError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def load_run(folder: str | Path, checkpoint: str | None = None, device: str = "auto") -> "Run":
    """Return a finished run by its folder. checkpoint: best or last, by default the one tested.

    Raises UserError where the folder is no trained run.
    """
    path = Path(folder).expanduser()
    loaded = load.load_run(path, checkpoint, prepare_device(device, 0))
    return Run(path, checkpoint, lambda: loaded)


def run_in(folder: Path, checkpoint: str | None = None, device: str = "auto") -> "Run":
    """Return the run in a folder; its network is loaded when it is first used."""
    return Run(
        folder, checkpoint, lambda: load.load_run(folder, checkpoint, prepare_device(device, 0))
    )


def starter(class_names: Sequence[str] = CLASSES, device: str = "auto") -> "Run":
    """Return the expression network that comes with the package, which no run trained.

    class_names: of its seven classes, or composed from them. Raises UserError for others.
    """
    loaded = packaged.starter(class_names, prepare_device(device, 0))
    return Run(loaded.folder, None, lambda: loaded)


@dataclass(frozen=True)
class Run:
    """A trained run, or the starter.

    folder: where its tables lie; checkpoint: best or last, None for the one that was tested.
    """

    folder: Path
    checkpoint: str | None
    _load: Callable[[], LoadedRun] = field(repr=False, compare=False)

    @cached_property
    def loaded(self) -> LoadedRun:
        """Its network, classes, support and calibration. Raises UserError for no trained run."""
        return self._load()

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes of its training set."""
        return self.loaded.class_names

    @property
    def image_size(self) -> int:
        """Pixels a side of the images that its encoder is given."""
        return self.loaded.image_size

    @cached_property
    def results(self) -> pd.DataFrame:
        """The run's results.csv. Raises UserError for the starter, which has none."""
        return self._table("results.csv")

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """The run's metrics.csv, a row an epoch."""
        return self._table("metrics.csv")

    def embed(self, images: Pictures) -> Tensor:
        """Return embeddings [N, D] of a table of faces, of files, PIL images, arrays or tensors.

        Arrays: uint8 [N, H, W, 3], [N, 3, H, W] or one picture of them. Of a table the pixels are
        kept in the cache. Raises UserError for what is no picture.
        """
        if isinstance(images, pd.DataFrame):
            device = self.loaded.embedder.device
            packed = load_images(images, self.image_size, device)
            return self.loaded.embedder.embed(packed, np.arange(len(images))).cpu()
        return self.loaded.embedder.embed_pixels(pixels_of(images, self.image_size)).cpu()

    def evaluate(
        self, faces: pd.DataFrame, episodes: Episodes, method: str | None = None
    ) -> Scores:
        """Return the scores of episodes that were drawn over a table.

        method: one that needs no training, `composed` among them; None: the run's own. Raises
        UserError for an unknown one, and for episodes of another table.
        """
        faces = faces.reset_index(drop=True)
        if int(episodes.images().max()) >= len(faces):
            raise DataError("these episodes are of a larger table: draw them over this one")
        images = load_images(faces, self.image_size, self.loaded.embedder.device)
        pool, dataset = pool_of(faces, episodes), "+".join(sorted(faces["dataset"].unique()))
        protocol = EpisodicProtocol(
            "test", "faces", dataset, faces, len(episodes), pool, loaded=episodes
        )
        model = FewShotModel(self.loaded.embedder, self.loaded.method, 0, self.loaded.views)
        if method is not None and method != self.loaded.method.name:
            model = model.with_method(self._method(method, model))
        return Scores(EpisodicTask(protocol, images).evaluate(model, 0))

    def predict(
        self,
        images: Pictures,
        support: pd.DataFrame | str | Path | None = None,
        *,
        align: bool = False,
        reject: float | None = None,
        neighbours: int = 0,
        refine: bool | str = False,
    ) -> pd.DataFrame:
        """Return a row a face with the columns of predictions.csv.

        support: a table of faces, a folder of classes or a file that `predict enrol=` wrote; None:
        the run's own. align: find and align the faces in photographs first (extra `face`); reject:
        the share of known faces that may be called `none of these`; neighbours: how many support
        pictures to name beside each face; refine: whether all these faces decide together, as by
        `predict refine=`, or by which method. Raises UserError.
        """
        cropper = Cropper(self.image_size, load_detector(self._device) if align else None)
        own = self._support(support, cropper)
        found = rejection_for(reject, own, self.loaded)
        threshold = None if found is None else found.threshold
        classifier = FaceClassifier(self.loaded, own, threshold, neighbours)
        crops = crops_of(images, cropper)
        together = refinement(refine, classifier)
        rows = rows_of(crops, classifier) if together is None else rows_together(crops, together)
        shares = [f"p_{name}" for name in classifier.class_names]
        columns = [*PLACE, *PREDICTION, *shares, *(["nearest"] if neighbours else []), USES]
        return pd.DataFrame(rows, columns=columns)

    def plot_curves(self) -> "Figure":
        """Return a figure of accuracy and loss over the epochs."""
        chance = self.results.drop_duplicates("role").set_index("role")["chance"]
        return show_inline(
            curves_figure(self.metrics, (float(chance["train"]), float(chance["validation"])))
        )

    @property
    def _device(self) -> torch.device:
        return self.loaded.embedder.device

    def _method(self, name: str, model: FewShotModel) -> Method:
        if self.loaded.is_starter:
            raise RunError(f"method={name}: the starter has no training set: train a run, or None")
        which = self.checkpoint or self.loaded.settings.train.tested
        stored = load_checkpoint(self.folder / f"{which}.pt")
        side = load.stored_statistics(stored, str(self.folder))
        made = other_methods([name], model, side, self.loaded.settings.method)
        return made[0]

    def _support(self, given: pd.DataFrame | str | Path | None, cropper: Cropper) -> SupportSet:
        if not isinstance(given, pd.DataFrame):
            name = None if given is None else str(given)
            return resolve_support(name, self.loaded, cropper).support
        names = tuple(sorted(given["label"].unique()))
        support = SupportSet(
            class_names=names,
            embeddings=self.embed(given).float(),
            labels=torch.tensor([names.index(label) for label in given["label"]]),
            paths=tuple(given["path"]),
            weights=self.loaded.weights,
        )
        return with_run_priors(support, self.loaded)

    def _table(self, name: str) -> pd.DataFrame:
        file = self.folder / name
        if not file.is_file():
            raise RunError(f"{file} is not there: is {self.folder} the folder of a trained run?")
        return pd.read_csv(file)

    def __repr__(self) -> str:
        names = ", ".join(self.class_names)
        backbone = self.loaded.settings.backbone.name
        return f"Run({str(self.folder)!r}: {self.loaded.method.name} on {backbone}; {names})"

    def _repr_html_(self) -> str:
        if self.loaded.is_starter:
            return f"<code>{named(repr(self))}</code>"
        columns = ["role", "dataset", "protocol", "method", "accuracy", "chance"]
        table = self.results[columns].to_html(index=False, float_format="{:.3f}".format)
        return f"<p><code>{named(repr(self))}</code></p>{table}"
