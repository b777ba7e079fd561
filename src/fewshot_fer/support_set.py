"""Labelled embeddings: what a face is compared with when a trained run is put to use."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fewshot_fer.errors import RunError
from fewshot_fer.torch_files import read_torch_file, write_torch_file

FORMAT = 1


@dataclass(frozen=True)
class SupportSet:
    """Labelled embeddings of S pictures of C classes, made by one state of an encoder's weights.

    No pixels are kept, so a checkpoint that carries a support gives no licensed picture away.
    """

    class_names: tuple[str, ...]  # [C]
    embeddings: Tensor  # [S, D] float32, on the CPU
    labels: Tensor  # [S] int64, places in class_names; every class has at least one
    paths: tuple[str, ...]  # [S] the picture of each, which need not exist any more
    weights: str  # digest of what made the embeddings, see `validating.embedding_digest`
    counts: Tensor | None = None  # [S] pictures that each stands for, above 0; None: one each

    def prototypes(self) -> Tensor:
        """Return [C, D]: the mean of each class's embeddings (Snell et al., NeurIPS 2017, eq. 1)"""
        one_each = torch.ones(len(self.labels), dtype=torch.float64)
        counts = one_each if self.counts is None else self.counts.double()
        sums = torch.zeros(len(self.class_names), self.embeddings.shape[1], dtype=torch.float64)
        sums.index_add_(0, self.labels, self.embeddings.double() * counts[:, None])
        totals = torch.bincount(self.labels, weights=counts, minlength=len(self.class_names))
        return (sums / totals[:, None]).float()

    def content(self) -> dict[str, Any]:
        """Return the set as plain lists and tensors, which a file can hold."""
        plain = {"class_names": list(self.class_names), "paths": list(self.paths)}
        return plain | {
            "embeddings": self.embeddings,
            "labels": self.labels,
            "weights": self.weights,
            "counts": self.counts,
        }


def state_digest(state: dict[str, Tensor]) -> str:
    """Return 16 hex digits that say which weights these are, wherever they lie."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def save_support_set(path: Path, support: SupportSet) -> None:
    """Write a support set under a temporary name and rename it."""
    write_torch_file(path, {"format": FORMAT, **support.content()})


def load_support_set(path: Path) -> SupportSet:
    """Read a support set with weights_only=True. Raises RunError naming the file and the fault."""
    if not path.is_file():
        raise RunError(f"no stored support {path}: give a file that enrol= wrote")
    content = read_torch_file(path, "stored support of fewshot_fer")
    known = content.pop("format", None) if isinstance(content, dict) else None
    if type(known) is not int or known != FORMAT:  # a tensor has no one answer
        raise RunError(f"{path} is no stored support of this version of fewshot_fer")
    return support_set(content, str(path))


def support_set(content: dict[str, Any], where: str) -> SupportSet:
    """Return the support set in `content`, checked. Raises RunError naming `where` it lay."""
    if not all(isinstance(content.get(key), list) for key in ("class_names", "paths")):
        raise RunError(f"{where}: the support in it is damaged")
    try:
        names = tuple(str(name) for name in content["class_names"])
        paths = tuple(str(path) for path in content["paths"])
        embeddings, labels = content["embeddings"].cpu(), content["labels"].cpu()
        counts = content.get("counts")  # added later
        counts = None if counts is None else counts.cpu()
        fits = (
            embeddings.ndim == 2
            and embeddings.dtype == torch.float32
            and labels.dtype == torch.int64
            and len(embeddings) == len(paths)
            and labels.shape == (len(paths),)
            and set(labels.tolist()) == set(range(len(names)))
            and bool(torch.isfinite(embeddings).all())
            and (counts is None or (counts.shape == labels.shape and bool((counts > 0).all())))
        )
        weights = str(content["weights"])
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise RunError(f"{where}: the support in it is damaged") from error
    if not fits:
        raise RunError(f"{where}: the support in it is damaged")
    return SupportSet(names, embeddings, labels, paths, weights, counts)
