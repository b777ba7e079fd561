"""A 3x3 convolution and 2x2 max-pool, six rows at a time, with less than half the multiplications.

Winograd's minimal filtering ("Arithmetic Complexity of Computations", SIAM 1980) makes m outputs of
a filter of 3 taps from m + 2 products in the place of 3 m. Lavin and Gray ("Fast Algorithms for
Convolutional Neural Networks", CVPR 2016, arXiv 1509.09308, section 4) nest it over the rows and
columns of small tiles. Here it goes over rows alone, F(6, 3), and whole rows of all maps are added
at once: 24 additions of a sixth of the images, and 8 convolutions of 1x3 in the place of 18 for six
rows. Nested, the additions would cost more than they save. Compiled (rows.c) they pass over memory
once; torch's own do so for each.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot_fer.models.fast.compiled_rows import compiled_rows_for

TILE = 6  # rows of outputs made at a time, from TILE + 2 rows of inputs
POINTS = (1.0, 2.0, 0.5)  # where polynomials are multiplied: each and its negative, 0 and infinity
PLANE_BYTES = 5 * 1024**2 // 2  # of a sum of rows: a score of them then stay in the shared cache


class RowwiseConvolution:
    """relu(max_pool(convolution)) of stride 1 in 3x3; weight [F, C, 3, 3], bias [F].

    In float32 the result differs from the exact one by a few times what a plain convolution does.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        taps = weight.double().unbind(dim=2)
        at_zero = taps[0] / math.prod(-(point**2) for point in POINTS)
        at_points = [_at(point, taps) for each in POINTS for point in (each, -each)]
        self.weights = [_one_row(each, weight) for each in (at_zero, *at_points, taps[2])]
        self.bias = bias

    def fill(self, images: Tensor, pooled: Tensor) -> None:
        """Fill pooled [B, h, w, F] from images [B, rows_needed(h), W, C]: a row of zeros, those of
        the image, and as many of zeros as are needed."""
        height, width = pooled.shape[1], 2 * pooled.shape[2]
        strips = (images.shape[1] - 2) // TILE
        bytes_each = strips * images[0, 0].numel() * images.element_size()
        size = max(1, PLANE_BYTES // bytes_each)
        compiled = compiled_rows_for(images)
        for some, room in zip(torch.split(images, size), torch.split(pooled, size), strict=True):
            if compiled is not None:
                planes = enumerate(compiled.spread(some, strips))
                made = [self._convolved(index, plane).contiguous() for index, plane in planes]
                compiled.gather(made, self.bias, room)
                continue
            rows = self._pooled_rows(some, strips)[:, :height]
            torch.maximum(rows[:, :, 0:width:2], rows[:, :, 1:width:2], out=room)
            room.add_(self.bias).clamp_min_(0)

    def _pooled_rows(self, images: Tensor, strips: int) -> Tensor:
        """Return the larger of each two rows of outputs, [B, 3 * strips, W, F]."""
        end = TILE * (strips - 1) + 1
        given = [images[:, row : row + end : TILE] for row in range(TILE + 2)]
        squares = [point**2 for point in POINTS]
        first = self._convolved(0, _polynomial(given[0::2], squares))
        last = self._convolved(len(self.weights) - 1, _polynomial(given[1::2], squares))
        sums, differences = [], []
        for index, point in enumerate(POINTS):
            others = [each for each in squares if each != point**2]
            even, odd = _polynomial(given[2::2], others), _polynomial(given[1:-1:2], others)
            above = self._convolved(2 * index + 1, torch.add(even, odd, alpha=point))
            below = self._convolved(2 * index + 2, even.sub_(odd, alpha=point))
            sums.append(above + below)
            differences.append(above.sub_(below))
        return _larger_of_two(first, sums, differences, last)

    def _convolved(self, index: int, rows: Tensor) -> Tensor:
        """Return [B, strips, W, F]: rows [B, strips, W, C], each convolved in itself."""
        return F.conv2d(rows.permute(0, 3, 1, 2), self.weights[index], padding=(0, 1)).permute(
            0, 2, 3, 1
        )


def rows_needed(pooled_rows: int) -> int:
    """Return how many rows of padded images make so many pooled ones."""
    return TILE * math.ceil(2 * pooled_rows / TILE) + 2


def _at(point: float, taps: tuple[Tensor, ...]) -> Tensor:
    """Return the filter's polynomial at a point, over the product of its distances to the others"""
    others = [each for near in (0.0, *POINTS) for each in (near, -near)[: 1 + (near != 0)]]
    distances = math.prod(point - each for each in others if each != point)
    return (taps[0] + point * taps[1] + point**2 * taps[2]) / distances


def _one_row(taps: Tensor, like: Tensor) -> Tensor:
    return taps[:, :, None].to(like).contiguous(memory_format=torch.channels_last)


def _larger_of_two(
    first: Tensor, sums: list[Tensor], differences: list[Tensor], last: Tensor
) -> Tensor:
    """Return the larger of each two of TILE rows, [B, TILE / 2 * strips, W, F].

    first, last: what 0 and infinity made, [B, strips, W, F]; sums, differences: of what each point
    and its negative made. Row j is the sum of all, each times its point to the power of j.
    """
    count, strips, *pixel = first.shape
    pooled = first.new_empty((count, strips, TILE // 2, *pixel))
    for row in range(0, TILE, 2):
        upper, lower = _weighted(sums, row), _weighted(differences, row + 1)
        if row == 0:
            upper.add_(first)
        if row == TILE - 2:
            lower.add_(last)
        torch.maximum(upper, lower, out=pooled[:, :, row // 2])
    return pooled.flatten(1, 2)


def _polynomial(given: list[Tensor], squares: list[float]) -> Tensor:
    """Return the sum of given[i] times the coefficient of x**i in the product of (x - square)."""
    coefficients = [1.0]
    for square in squares:
        pairs = zip([0.0, *coefficients], [*coefficients, 0.0], strict=True)
        coefficients = [before - square * same for before, same in pairs]
    summed = torch.add(given[-1], given[0], alpha=coefficients[0])
    for each, coefficient in zip(given[1:-1], coefficients[1:-1], strict=True):
        summed.add_(each, alpha=coefficient)
    return summed


def _weighted(made: list[Tensor], power: int) -> Tensor:
    """Return the sum of what each point made, times the point to a power."""
    summed = torch.add(made[0], made[1], alpha=POINTS[1] ** power)
    return summed.add_(made[2], alpha=POINTS[2] ** power)
