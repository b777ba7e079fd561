"""Embeddings of images by one state of an encoder's weights, each image embedded once."""

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fewshot_fer.data.neutral import relative_to_neutral
from fewshot_fer.data.packed_images import FaceImages
from fewshot_fer.evaluation.embedding_cache import KeptEmbeddings
from fewshot_fer.models.backbones.weights import state_digest
from fewshot_fer.models.methods.method import Method
from fewshot_fer.models.preprocessing import Normalisation, normalise
from fewshot_fer.models.shared_batch_norm import unshare_batch_norms
from fewshot_fer.system.device import halve_or_raise
from fewshot_fer.system.progress import tqdm
from fewshot_fer.system.ranks import all_gather, rank_slice, world

BATCH_PIXELS = {"cpu": 128 * 84 * 84, "cuda": 2048 * 84 * 84}  # of a forward; keeps memory alike
SMALLEST_BATCH = 2  # a batch of one is laid out otherwise in memory and rounds differently


class Embedder:
    """Embeds images with one state of an encoder's weights, which are copied.

    Embeddings are kept a table at a time, so several tests on one data set share them and, with
    `keep_in`, a folder, later commands too. head: a classifier's, over head_names.
    """

    def __init__(
        self,
        encoder: nn.Module,
        dtype: torch.dtype = torch.float32,
        head: nn.Module | None = None,
        head_names: tuple[str, ...] = (),
        keep_in: Path | None = None,
    ) -> None:
        self.device = next(encoder.parameters()).device
        self.encoder = fold_batch_norms(encoder)
        self.normalisation = Normalisation()
        self.head = head
        self.head_names = head_names
        self.dtype = dtype
        self.kept = None
        if keep_in is not None:  # a card's mean and deviation are buffers that no state holds
            state = encoder.state_dict() | dict(encoder.named_buffers())
            self.kept = KeptEmbeddings(keep_in, state_digest(state))
        self._known: dict[str, tuple[Tensor, NDArray[np.bool_]]] = {}

    def normalised(self, normalisation: Normalisation) -> "Embedder":
        """Return an embedder of the same weights and the same known embeddings."""
        other = copy.copy(self)
        other.normalisation = normalisation
        return other

    def embed(self, images: FaceImages, rows: NDArray[np.int64]) -> Tensor:
        """Return embeddings [len(rows), D], normalised, in eval mode (running statistics), and
        relative to their subjects' neutral faces where the images are to be."""
        if images.neutral is None:
            return self.normalisation(self.encode(images, rows))
        faces = images.neutral
        needed = np.union1d(rows, np.flatnonzero(faces.is_neutral))
        made = self.normalisation(self.encode(images, needed))
        made = relative_to_neutral(made, faces.groups[needed], faces.is_neutral[needed])
        return made[torch.from_numpy(np.searchsorted(needed, rows))]

    def encode(self, images: FaceImages, rows: NDArray[np.int64]) -> Tensor:
        """Return embeddings [len(rows), D] of the encoder, before they are normalised."""
        known, done = self._known_rows(images)
        new = np.unique(rows[~done[rows]])
        if len(new):
            known = self._embed_rows(images, new, known)
            done[new] = True
            self._known[images.fingerprint] = (known, done)
            if self.kept is not None:
                taken = np.flatnonzero(done)
                self.kept.save(images.fingerprint, taken, known[torch.from_numpy(taken)])
        assert known is not None
        if len(rows) == len(known) and (rows == np.arange(len(rows))).all():
            return known  # all of a large table need not be there twice
        return known[torch.from_numpy(rows)]

    def embed_pixels(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Return embeddings [B, D] of any number of images [B, 3, side, side], batch by batch."""
        batch = batch_size(self.device, pixels.shape[-1])
        made = self._in_batches(
            lambda place: torch.from_numpy(pixels[place]).to(self.device), len(pixels), batch
        )
        return self.normalisation(torch.cat(list(made)))

    @torch.inference_mode()
    def encode_pixels(self, pixels: Tensor) -> Tensor:
        """Return embeddings [B, D] of uint8 images as the encoder gives them."""
        count = len(pixels)
        if count < SMALLEST_BATCH:
            pixels = pixels.expand(SMALLEST_BATCH, -1, -1, -1)
        embedded: Tensor = self.encoder(normalise(pixels, self.dtype))
        return embedded[:count]

    def _known_rows(self, images: FaceImages) -> tuple[Tensor | None, NDArray[np.bool_]]:
        """Return embeddings [N, D] of a table and which rows [N] of them are made."""
        if images.fingerprint in self._known:
            return self._known[images.fingerprint]
        done = np.zeros(len(images), dtype=bool)
        stored = None if self.kept is None else self.kept.load(images.fingerprint, self.dtype)
        if stored is None or (len(stored[0]) and stored[0].max() >= len(images)):
            return None, done
        rows, embeddings = stored
        known = embeddings.new_zeros((len(images), embeddings.shape[1]))
        known[torch.from_numpy(rows)] = embeddings
        done[rows] = True
        self._known[images.fingerprint] = (known.to(images.device), done)
        return self._known[images.fingerprint]

    def _embed_rows(
        self, images: FaceImages, rows: NDArray[np.int64], known: Tensor | None
    ) -> Tensor:
        """Return `known` [N, D] with these rows embedded too, made if there is none."""
        if len(rows) < world() * SMALLEST_BATCH:
            embedded = self._embed_share(images, rows)  # too few to be shared between processes
        else:
            embedded = all_gather(self._embed_share(images, rows[rank_slice(len(rows))]))
        if known is None and len(rows) == len(images):
            return embedded
        if known is None:
            known = embedded.new_zeros((len(images), embedded.shape[1]))
        known[torch.from_numpy(rows)] = embedded
        return known

    def _embed_share(self, images: FaceImages, rows: NDArray[np.int64]) -> Tensor:
        """Return embeddings [len(rows), D] of table rows."""
        batch, done = batch_size(images.device, images.side), 0
        embedded: Tensor | None = None
        with tqdm(
            total=len(rows), desc="embedding images", leave=False, disable=None, delay=2
        ) as bar:
            for made in self._in_batches(
                lambda place: images.gather(rows[place]), len(rows), batch
            ):
                if embedded is None:
                    embedded = made.new_empty((len(rows), made.shape[1]))
                embedded[done : done + len(made)] = made
                done += len(made)
                bar.update(len(made))
        assert embedded is not None
        return embedded

    def _in_batches(
        self, gather: Callable[[slice], Tensor], count: int, batch: int
    ) -> Iterator[Tensor]:
        """Yield what the encoder gives for `count` images, in batches that are halved where the
        memory is too small for one."""
        start = 0
        while start < count:
            try:
                made = self.encode_pixels(gather(slice(start, start + batch)))
            except (RuntimeError, MemoryError) as error:
                batch = halve_or_raise(batch, error, SMALLEST_BATCH, "images")
                continue
            start += len(made)
            yield made


class NetworkViews(Protocol):
    """What methods see of an image by one state of a network's weights; it is `views.Views`."""

    def embedder(self, on: str) -> Embedder:
        """Return the embedder of what a method works on."""

    def method(self, name: str) -> Method:
        """Return a method that needs no training."""

    def text(self) -> Callable[[Sequence[str]], Tensor]:
        """Return what reads text for the network."""

    def release(self) -> None:
        """Forget the embeddings that are large."""


@dataclass(frozen=True)
class FewShotModel:
    """An encoder's weights, ready to embed, and the method that classifies by the embeddings.

    epoch: after which the weights are of; 0 where nothing was trained; views: what other methods
    see of an image, None: embeddings alone.
    """

    embedder: Embedder
    method: Method
    epoch: int
    views: NetworkViews | None = None

    def with_method(self, method: Method) -> "FewShotModel":
        """Return the same weights with another method, embeddings normalised as it needs them."""
        if method.normalisation is None:
            return replace(self, method=method)
        embedder = self.embedder if self.views is None else self.views.embedder(method.on)
        return replace(self, embedder=embedder.normalised(method.normalisation), method=method)


def embedding_digest(encoder: dict[str, Tensor], embedder: Embedder) -> str:
    """Return 16 hex digits of the weights and the normalisation that make an embedding."""
    return state_digest({**encoder, **embedder.normalisation.state()})


def fold_batch_norms(encoder: nn.Module) -> nn.Module:
    """Return a copy of an encoder in eval mode, in channels_last memory, its batch norms folded.

    In eval mode a batch norm is a fixed scale and shift, so it can be part of the convolution: the
    same function up to rounding. An encoder that cannot be traced is copied as it is.
    """
    from torch.fx.experimental.optimization import fuse

    folded = copy.deepcopy(encoder).eval()
    unshare_batch_norms(folded)  # only plain ones are folded
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing remarks on models that are none of ours
        try:
            folded = fuse(folded)
        except Exception:  # whatever a foreign model's own code raises when it is traced
            folded = folded.eval()
    return folded.requires_grad_(False).to(memory_format=torch.channels_last)


def batch_size(device: torch.device, side: int) -> int:
    """Return how many images of a side in pixels go through the encoder at a time."""
    return max(SMALLEST_BATCH, BATCH_PIXELS[device.type] // side**2)
