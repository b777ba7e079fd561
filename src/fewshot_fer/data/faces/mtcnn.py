"""MTCNN's three networks and the search with them, from the weights in facenet-pytorch's wheel.

Zhang et al., "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks",
IEEE Signal Processing Letters 2016. The package's own search is the reference, and gives the same;
but it imports torchvision and with it torch's compiler, two seconds for a command of four.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

PACKAGE = "facenet_pytorch"
LEAST = (0.6, 0.7, 0.7)  # scores that pass each network
FACTOR = 0.709  # between sizes of a picture
CELL, STRIDE = 12, 2  # pixels of the first network's field, and between two
PATCHES_AT_ONCE = 512
Found = tuple[NDArray[np.float32], NDArray[np.float32]]


class Cascade(nn.Module):
    """Proposes boxes, refines them, and finds five points in each. Raises ImportError."""

    def __init__(self, smallest: int, device: torch.device) -> None:
        """smallest: pixels of the smallest face's side."""
        super().__init__()
        self.smallest, self.device = smallest, device
        self.pnet, self.rnet, self.onet = _proposing(), _refining(), _placing()
        folder = _weights()
        for name, network in self.named_children():
            network.load_state_dict(torch.load(folder / f"{name}.pt", weights_only=True))
        self.eval().to(device)

    @torch.inference_mode()
    def search(self, pictures: NDArray[np.uint8]) -> list[Found]:
        """Return boxes with scores [n, 5] and points [n, 5, 2] of each of [B, H, W, 3]."""
        images = torch.as_tensor(pictures.copy(), device=self.device).permute(0, 3, 1, 2).float()
        boxes, owners = _squares(*self._proposed(images))
        boxes, owners, patches = _patches(images, boxes, owners, 24)
        points = boxes.new_zeros((0, 5, 2))
        if len(boxes):
            scores, moves = _in_blocks(self.rnet, patches)
            passed = scores[:, 1] > LEAST[1]
            boxes = torch.cat((boxes[passed, :4], scores[passed, 1:]), dim=1)
            owners, moves = owners[passed], moves[passed]
            kept = _kept(boxes, owners, 0.7)
            boxes, owners = _squares(_moved(boxes[kept], moves[kept]), owners[kept])
        boxes, owners, patches = _patches(images, boxes, owners, 48)
        if len(boxes):
            boxes, owners, points = self._placed(boxes, owners, patches)
        found = boxes.cpu().numpy(), points.cpu().numpy()
        of = owners.cpu().numpy()
        return [(found[0][of == row], found[1][of == row]) for row in range(len(pictures))]

    def _proposed(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return boxes [n, 5] of the first network at all sizes, and the image of each [n]."""
        height, width = images.shape[2:]
        scale, every, owners = CELL / self.smallest, [], []
        side = min(height, width) * scale
        while side >= CELL:
            size = (int(height * scale + 1), int(width * scale + 1))
            scores, moves = self.pnet(_centred(interpolate(images, size=size, mode="area")))
            boxes, own = _of_cells(scores[:, 1], moves, scale)
            kept = _kept(boxes, own, 0.5)
            every.append(boxes[kept])
            owners.append(own[kept])
            scale, side = scale * FACTOR, side * FACTOR
        boxes, own = torch.cat(every), torch.cat(owners)
        kept = _kept(boxes, own, 0.7)
        boxes, own = boxes[kept], own[kept]
        sides = (boxes[:, 2:4] - boxes[:, :2]).repeat(1, 2)
        return torch.cat((boxes[:, :4] + boxes[:, 5:] * sides, boxes[:, 4:5]), dim=1), own

    def _placed(
        self, boxes: Tensor, owners: Tensor, patches: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return what passes the last network, with points."""
        scores, moves, places = _in_blocks(self.onet, patches)
        passed = scores[:, 1] > LEAST[2]
        boxes = torch.cat((boxes[passed, :4], scores[passed, 1:]), dim=1)
        owners, moves, places = owners[passed], moves[passed], places[passed]
        sides = boxes[:, 2:4] - boxes[:, :2] + 1
        points = places.view(-1, 2, 5).transpose(1, 2) * sides[:, None] + boxes[:, None, :2] - 1
        boxes = _moved(boxes, moves)
        kept = _kept(boxes, owners, 0.7, of_smaller=True)
        return boxes[kept], owners[kept], points[kept]


class _Network(nn.Module):
    """Layers in a row, then heads beside one another; the first head's scores are a softmax."""

    def __init__(self, layers: dict[str, nn.Module], heads: dict[str, nn.Module]) -> None:
        super().__init__()
        self.names = tuple(layers), tuple(heads)
        for name, layer in {**layers, **heads}.items():
            self.add_module(name, layer)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return what each head gives."""
        rows, heads = self.names
        for name in rows:
            images = self.get_submodule(name)(images)
        first, *others = [self.get_submodule(name)(images) for name in heads]
        return [first.softmax(dim=1), *others]


class _Flat(nn.Module):
    """Flattens maps in the order of the framework that the weights are from."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.permute(0, 3, 2, 1).flatten(1)


def _rows(widths: Sequence[tuple[int, int, int]], pools: Sequence[int]) -> dict[str, nn.Module]:
    """Return convolutions (given, made, side) with PReLU, and pools of a side, 0 for none."""
    layers: dict[str, nn.Module] = {}
    for number, ((given, made, side), pool) in enumerate(zip(widths, pools, strict=True), 1):
        layers[f"conv{number}"] = nn.Conv2d(given, made, side)
        layers[f"prelu{number}"] = nn.PReLU(made)
        if pool:
            layers[f"pool{number}"] = nn.MaxPool2d(pool, 2, ceil_mode=True)
    return layers


def _proposing() -> _Network:
    layers = _rows([(3, 10, 3), (10, 16, 3), (16, 32, 3)], [2, 0, 0])
    return _Network(layers, {"conv4_1": nn.Conv2d(32, 2, 1), "conv4_2": nn.Conv2d(32, 4, 1)})


def _refining() -> _Network:
    layers = _rows([(3, 28, 3), (28, 48, 3), (48, 64, 2)], [3, 3, 0])
    layers |= {"flat": _Flat(), "dense4": nn.Linear(576, 128), "prelu4": nn.PReLU(128)}
    return _Network(layers, {"dense5_1": nn.Linear(128, 2), "dense5_2": nn.Linear(128, 4)})


def _placing() -> _Network:
    layers = _rows([(3, 32, 3), (32, 64, 3), (64, 64, 3), (64, 128, 2)], [3, 3, 2, 0])
    layers |= {"flat": _Flat(), "dense5": nn.Linear(1152, 256), "prelu5": nn.PReLU(256)}
    heads = {f"dense6_{number}": nn.Linear(256, made) for number, made in ((1, 2), (2, 4), (3, 10))}
    return _Network(layers, dict(heads))


def _weights() -> Path:
    """Return the folder of the weights, without importing the package that holds them."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"No module named {PACKAGE!r}", name=PACKAGE)
    return Path(spec.submodule_search_locations[0]) / "data"


def _centred(images: Tensor) -> Tensor:
    return (images - 127.5) * 0.0078125


def _of_cells(scores: Tensor, moves: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Return boxes [n, 9]: corners, score and moves of the cells that pass; their images [n]."""
    mask = scores >= LEAST[0]
    cells = mask.nonzero()
    corner = cells[:, 1:].to(scores).flip(1)
    low = ((STRIDE * corner + 1) / scale).floor()
    high = ((STRIDE * corner + CELL) / scale).floor()
    own = moves.permute(0, 2, 3, 1)[mask]
    return torch.cat([low, high, scores[mask][:, None], own], dim=1), cells[:, 0]


def _squares(boxes: Tensor, owners: Tensor) -> tuple[Tensor, Tensor]:
    """Return boxes [n, 5] made square about their middles."""
    sides = boxes[:, 2:4] - boxes[:, :2]
    longest = sides.amax(dim=1, keepdim=True)
    low = boxes[:, :2] + sides * 0.5 - longest * 0.5
    return torch.cat((low, low + longest, boxes[:, 4:]), dim=1), owners


def _moved(boxes: Tensor, moves: Tensor) -> Tensor:
    sides = (boxes[:, 2:4] - boxes[:, :2] + 1).repeat(1, 2)
    return torch.cat((boxes[:, :4] + moves * sides, boxes[:, 4:]), dim=1)


def _patches(
    images: Tensor, boxes: Tensor, owners: Tensor, side: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the boxes that hold pixels, their images, and those pixels [n, 3, side, side]."""
    height, width = images.shape[2:]
    whole = boxes[:, :4].trunc().int().cpu().numpy()
    low, high = np.maximum(whole[:, :2], 1) - 1, np.minimum(whole[:, 2:], [width, height])
    faces = images.contiguous()  # not channels last, in which sums are rounded in another order
    kept = torch.from_numpy((high > low).all(axis=1)).to(boxes.device)
    cut = [
        interpolate(faces[row : row + 1, :, y0:y1, x0:x1], size=(side, side), mode="area")
        for row, (x0, y0), (x1, y1) in zip(owners.tolist(), low, high, strict=True)
        if y1 > y0 and x1 > x0
    ]
    patches = torch.cat(cut) if cut else images.new_zeros((0, 3, side, side))
    return boxes[kept], owners[kept], _centred(patches)


def _in_blocks(network: nn.Module, patches: Tensor) -> list[Tensor]:
    """Return what a network gives for patches, in blocks that fit the memory."""
    blocks = [network(block) for block in torch.split(patches, PATCHES_AT_ONCE)]
    return [torch.cat(each) for each in zip(*blocks, strict=True)]


def _kept(boxes: Tensor, owners: Tensor, most: float, of_smaller: bool = False) -> Tensor:
    """Return the rows, best score first, that overlap no better one of their image by more.

    most: intersection over union; of_smaller: over the smaller area, in whole pixels.
    """
    corners, scores = boxes[:, :4].cpu().numpy(), boxes[:, 4].cpu().numpy()
    of, more = owners.cpu().numpy(), np.float32(1 if of_smaller else 0)
    areas = (corners[:, 2:] - corners[:, :2] + more).prod(axis=1)
    left, kept = np.argsort(-scores, kind="stable"), []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        low = np.maximum(corners[best, :2], corners[left, :2])
        high = np.minimum(corners[best, 2:], corners[left, 2:])
        shared = np.maximum(high - low + more, 0).prod(axis=1)
        smaller, both = np.minimum(areas[best], areas[left]), areas[best] + areas[left] - shared
        overlap = shared / (smaller if of_smaller else both)
        left = left[(of[left] != of[best]) | ~(overlap > most)]
    return torch.as_tensor(np.array(kept, dtype=np.int64), device=boxes.device)
