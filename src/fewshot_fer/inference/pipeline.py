"""From files to crops, from crops to predictions, from predictions to files, block by block."""

import contextlib
import itertools
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path

import numpy as np
import torch

from fewshot_fer.inference.classifier import FaceClassifier
from fewshot_fer.inference.clips import Clip
from fewshot_fer.inference.crops import OK, Crop, Cropper
from fewshot_fer.inference.inputs import Inputs, SourceImage
from fewshot_fer.inference.refine import Place, Refinement, place_of, some, uses_of
from fewshot_fer.inference.tables import Row, make_rows
from fewshot_fer.inference.writer import PredictionWriter
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.progress import tqdm

Block = tuple[Path | None, list[Crop]]  # the video that crops are from, None for pictures
WithRows = Generator[tuple[Path | None, list[Crop], list[Row]], None, None]


@dataclass(frozen=True)
class Faces:
    """All faces of a call, without their pixels.

    blocks: as they were read; embeddings [N, D], on the CPU, and places of those that are faces.
    """

    blocks: list[Block]
    embeddings: torch.Tensor
    places: list[Place]


@dataclass(frozen=True)
class Pipeline:
    """Reads pictures, then videos, and classifies each face alone or all of them together."""

    cropper: Cropper
    classifier: FaceClassifier
    inputs: Inputs
    fps: float | None

    def embedded(self) -> Faces:
        """Return every face with its embedding, which all together need before the first row."""
        blocks, made = list[Block](), [torch.zeros(0, self.classifier.prototypes.shape[1])]
        for video, crops in self._read("embedding"):
            pixels = [crop.pixels for crop in crops if crop.pixels is not None]
            if pixels:
                made.append(self.classifier.run.embedder.embed_pixels(np.stack(pixels)).cpu())
            blocks.append((video, [_without_pixels(crop) for crop in crops]))
        places = [place_of(crop) for _, crops in blocks for crop in crops if crop.status == OK]
        return Faces(blocks, torch.cat(made), places)

    def write(
        self, writer: PredictionWriter, together: tuple[Refinement, Faces] | None = None
    ) -> None:
        """Classify all inputs and write what comes out, under a progress bar of files.

        together: what refines the predictions, and the faces as `embedded` returned them.
        """
        made = self._alone() if together is None else self._together(*together, writer.takes_pixels)
        with contextlib.closing(made):
            for video, blocks in itertools.groupby(made, key=itemgetter(0)):
                clip = None if video is None else Clip(video, self.classifier.class_names)
                for _, crops, rows in blocks:
                    writer.add(crops, rows, of_video=clip is not None)
                    if clip is not None:
                        clip.add(rows)
                if clip is not None:
                    writer.add_clip(clip)

    def _alone(self) -> WithRows:
        """Yield blocks with their rows as they are read; memory stays bounded."""
        for video, crops in self._read("predicting"):
            yield video, crops, rows_of(crops, self.classifier)

    def _together(self, refinement: Refinement, faces: Faces, with_pixels: bool) -> WithRows:
        """Yield blocks with their rows; files are read again for pixels that are to be drawn."""
        predictions = refinement.classify_embeddings(faces.embeddings, faces.places)
        shown = self._read("writing") if with_pixels else iter(faces.blocks)
        start = 0
        for (video, before), (_, crops) in zip(faces.blocks, shown, strict=True):
            _require_same(before, crops)
            end = start + sum(crop.status == OK for crop in crops)
            of_block = some(predictions, slice(start, end)) if end > start else None
            yield video, crops, make_rows(crops, of_block, refinement.uses)
            start = end

    def _read(self, what: str) -> Iterator[Block]:
        """Yield the crops of pictures, then of videos, under a bar that says what is done."""
        bar = tqdm(total=len(self.inputs), desc=what, unit="file", leave=False, disable=None)
        with contextlib.closing(bar):
            for crops in self.cropper.pictures(self.inputs.pictures):
                yield None, crops
                bar.update(sum(not crop.face for crop in crops))
            for file in self.inputs.videos:
                n_frames = 0
                for crops in self.cropper.video(file, self.fps):
                    yield file, crops
                    n_frames += sum(not crop.face for crop in crops)
                    bar.set_postfix_str(f"{n_frames:,} frames of {file.name}")
                bar.update()


def rows_of(crops: list[Crop], classifier: FaceClassifier) -> list[Row]:
    """Return a row a crop, each face classified alone."""
    pixels = [crop.pixels for crop in crops if crop.pixels is not None]
    predictions = classifier.classify(np.stack(pixels)) if pixels else None
    return make_rows(crops, predictions, uses_of(classifier))


def rows_together(crops: list[Crop], refinement: Refinement) -> list[Row]:
    """Return a row a crop, all their faces classified together."""
    pixels = [crop.pixels for crop in crops if crop.pixels is not None]
    if not refinement.has_others(len(pixels)):
        return rows_of(crops, refinement.classifier)
    embeddings = refinement.classifier.run.embedder.embed_pixels(np.stack(pixels))
    places = [place_of(crop) for crop in crops if crop.status == OK]
    predictions = refinement.classify_embeddings(embeddings, places)
    return make_rows(crops, predictions, refinement.uses)


def _without_pixels(crop: Crop) -> Crop:
    source = crop.source
    kept = SourceImage(source.file, reason=source.reason, frame=source.frame)
    return replace(crop, pixels=None, source=replace(kept, seconds=source.seconds))


def _require_same(before: list[Crop], now: list[Crop]) -> None:
    """Raise DataError where files that are read again have other faces than before."""
    for one, other in itertools.zip_longest(before, now):
        if (
            one is None
            or other is None
            or (place_of(one), one.status) != (*(place_of(other), other.status),)
        ):
            name = (one or other).source.name
            raise DataError(f"{name} changed while it was read: start again")
