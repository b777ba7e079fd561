"""Support sets: labelled embeddings that new faces are compared with.

A finished run stores one in its checkpoint; a user makes others. A compound class may be known by
pictures, by the names of its parts, or by both.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.data.labels import canonical
from fewshot_fer.evaluation.embedder import FewShotModel
from fewshot_fer.evaluation.tasks import EpisodicTask, FixedTask, Task
from fewshot_fer.models.methods.composed import Priors
from fewshot_fer.system.errors import ConfigError, RunError
from fewshot_fer.system.torch_files import read_torch_file, write_torch_file

FORMAT = 1  # of the file that enrol= writes
PER_CLASS = 50  # images, as in the study's fixed support; 350 embeddings of 1,600 are 2.2 MB
COMPOSED = "(composed: "  # begins the path of an entry that is no picture


@dataclass(frozen=True)
class SupportSet:
    """Labelled embeddings of S pictures of C classes, made by one state of an encoder's weights.

    No pixels are kept, so a checkpoint with a support gives no licensed picture away.
    """

    class_names: tuple[str, ...]  # [C]
    embeddings: Tensor  # [S, D] float32, on the CPU
    labels: Tensor  # [S] int64, places in class_names; every class has at least one
    paths: tuple[str, ...]  # [S] the picture of each, which need not exist any more
    weights: str  # digest of what made the embeddings, see `embedding_digest`
    counts: Tensor | None = None  # [S] pictures that each stands for, above 0; None: one each

    def prototypes(self) -> Tensor:
        """Return the mean [C, D] of each class's embeddings (Snell et al., NeurIPS 2017, eq. 1)."""
        one_each = torch.ones(len(self.labels), dtype=torch.float64)
        counts = one_each if self.counts is None else self.counts.double()
        sums = torch.zeros(len(self.class_names), self.embeddings.shape[1], dtype=torch.float64)
        sums.index_add_(0, self.labels, self.embeddings.double() * counts[:, None])
        totals = torch.bincount(self.labels, weights=counts, minlength=len(self.class_names))
        return (sums / totals[:, None]).float()

    def content(self) -> dict[str, Any]:
        """Return the set as plain lists and tensors, which a file can hold."""
        lists = {"class_names": list(self.class_names), "paths": list(self.paths)}
        return {**vars(self), **lists}


def run_support(
    training: EpisodicTask, validation: Task, model: FewShotModel, weights: str, seed: int
) -> SupportSet:
    """Return the first draw of a fixed support, if the run has one, else some training images.

    With the fixed support a picture gets the prediction that it had in predictions.csv. Of the
    training images up to PER_CLASS of every class are taken. weights: from `embedding_digest`.
    """
    if isinstance(validation, FixedTask):
        support = validation.protocol.support
        rows = list(support.rows[0])
        names, table = support.class_names, validation.protocol.support_table
        images = validation.support_images
    else:
        names, table = training.protocol.pool.class_names, training.protocol.table
        rows, images = _some_of_each_class(training, seed), training.images
    chosen = np.concatenate(rows)
    labels = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
    own = SupportSet(
        class_names=tuple(names),
        embeddings=model.embedder.embed(images, chosen).float().cpu(),
        labels=torch.from_numpy(labels),
        paths=tuple(table["path"].iloc[chosen].astype(str)),
        weights=weights,
    )
    priors = model.method.priors
    return own if priors is None else with_priors(own, priors)


def save_support_set(path: Path, support: SupportSet) -> None:
    """Write a support set, whole or not at all. Raises WriteError."""
    write_torch_file(path, {"format": FORMAT, **support.content()})


def load_support_set(path: Path) -> SupportSet:
    """Read a support set with weights_only=True. Raises RunError naming the file and the fault."""
    if not path.is_file():
        raise RunError(f"no stored support {path}: give a file that enrol= wrote")
    content = read_torch_file(path, "stored support of fewshot_fer")
    known = content.pop("format", None) if isinstance(content, dict) else None
    if type(known) is not int or known != FORMAT:  # a tensor compares elementwise
        raise RunError(f"{path} is no stored support of this version of fewshot_fer")
    return support_set(content, str(path))


def support_set(content: dict[str, Any], where: str) -> SupportSet:
    """Return the support set in `content`, checked. Raises RunError naming `where` it lay."""
    try:
        if not all(isinstance(content[key], list) for key in ("class_names", "paths")):
            raise TypeError("lists")  # a tensor can be made endless
        names = tuple(str(name) for name in content["class_names"])
        paths = tuple(str(path) for path in content["paths"])
        embeddings, labels = content["embeddings"].cpu(), content["labels"].cpu()
        counts = content.get("counts")  # added later
        counts = None if counts is None else counts.cpu()
        found = SupportSet(names, embeddings, labels, paths, str(content["weights"]), counts)
        if not _is_sound(found):
            raise ValueError("shapes, types or ranges")
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise RunError(f"{where}: the support in it is damaged") from error
    return found


def with_priors(
    support: SupportSet, priors: Priors, more_classes: Sequence[str] = ()
) -> SupportSet:
    """Return a support with one more entry for every class that has parts: its prior, which counts
    for as many pictures as its weight. The prototypes are then those of `composed_prototypes`.
    Entries of an earlier call are made anew.

    more_classes: those without a picture, by their names. Raises ConfigError for one of them that
    has no parts, or pictures after all.
    """
    support = _without_priors(support)
    more = [canonical(name) for name in more_classes]
    priors.require(more, "classes", "support=folder")
    own = [canonical(name) for name in support.class_names]
    if twice := [name for name in more if name in own or more.count(name) > 1]:
        raise ConfigError(f"classes: {twice[0]} is there already; name each class once")
    names = [*own, *more]
    vectors, weights = _weighed_priors(support, priors, names)
    added = [place for place in range(len(names)) if weights[place] > 0]
    described = [f"{COMPOSED}{' + '.join(priors.parts_of(names[place]))})" for place in added]
    return replace(
        support,
        class_names=(*support.class_names, *more),
        embeddings=torch.cat([support.embeddings, vectors[added]]),
        labels=torch.cat([support.labels, torch.tensor(added, dtype=torch.int64)]),
        paths=(*support.paths, *described),
        counts=torch.cat([_counts(support), weights[added]]),
    )


def picture_rows(support: SupportSet) -> list[int]:
    """Return the rows of a support that are pictures, and no priors."""
    return [row for row, path in enumerate(support.paths) if not path.startswith(COMPOSED)]


def support_of_names(class_names: Sequence[str], priors: Priors, weights: str) -> SupportSet:
    """Return a support without a single picture. Raises ConfigError for a class without parts."""
    empty = SupportSet(
        class_names=(),
        embeddings=torch.zeros(0, priors.prototypes.shape[1]),
        labels=torch.zeros(0, dtype=torch.int64),
        paths=(),
        weights=weights,
    )
    return with_priors(empty, priors, class_names)


def _some_of_each_class(training: EpisodicTask, seed: int) -> list[NDArray[np.int64]]:
    """Return up to PER_CLASS training rows of every class, shuffled."""
    pool = training.protocol.pool
    random = np.random.default_rng([seed, zlib.crc32(b"own support")])
    return [random.permutation(own)[:PER_CLASS] for own in pool.members]


def _without_priors(support: SupportSet) -> SupportSet:
    kept = picture_rows(support)
    return replace(
        support,
        embeddings=support.embeddings[kept],
        labels=support.labels[kept],
        paths=tuple(support.paths[row] for row in kept),
        counts=None if support.counts is None else support.counts[kept],
    )


def _weighed_priors(support: SupportSet, priors: Priors, names: list[str]) -> tuple[Tensor, Tensor]:
    """Return the prior [C, D] of every named class and its weight [C], 0 without one.

    The classes of the support come first; a class without a picture has its prior alone.
    """
    vectors, known = priors.of(names)
    pictures = torch.zeros(len(names)).index_add_(0, support.labels, _counts(support))
    shown = (support.embeddings[None], support.labels)
    vectors, weights = (each[0] for each in priors.weighed(*shown, vectors[None], known[None]))
    return vectors, torch.where(known & (pictures == 0), weights.clamp_min(1.0), weights)


def _counts(support: SupportSet) -> Tensor:
    """Return how many pictures each embedding stands for, [S]."""
    return torch.ones(len(support.labels)) if support.counts is None else support.counts


def _is_sound(support: SupportSet) -> bool:
    """Return whether types and shapes are right, and every class has an embedding."""
    embeddings, labels, counts = support.embeddings, support.labels, support.counts
    return (
        embeddings.ndim == 2
        and embeddings.dtype == torch.float32
        and labels.dtype == torch.int64
        and labels.shape == (len(support.paths),) == embeddings.shape[:1]
        and set(labels.tolist()) == set(range(len(support.class_names)))
        and bool(torch.isfinite(embeddings).all())
        and (counts is None or (counts.shape == labels.shape and bool((counts > 0).all())))
    )
