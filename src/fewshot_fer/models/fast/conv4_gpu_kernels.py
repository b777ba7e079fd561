"""Batch norm, ReLU and 2x2 max-pool as five kernels for a GPU, forward and backward.

As separate operations these three move the outputs of a convolution ten times between a GPU's
memory and its processors; here they are read twice forward and once backward. Images lie in
channels_last memory, so a tensor is a matrix: of pixels or of pooled windows, by channel.
"""

import triton
import triton.language as tl

PARTS = 264  # programs among which a sum over all rows is divided: two for each of an H200's parts
ROWS, CHANNELS = 64, 64  # of a matrix that a program takes at a time
ALL_PARTS, FEW_CHANNELS = 512, 8  # of the sums of all programs, which few programs wait for
WARPS = 4
COUNTS = ["n_rows", "n_parts", "n_windows", "n_corners", "height", "width"]  # compiled once for all


@triton.jit(do_not_specialize=COUNTS)
def sum_values(values, sums, n_rows, n_channels, ROWS: tl.constexpr, CHANNELS: tl.constexpr):
    """sums [PARTS, 2, C]: of values [R, C] less the first row, and of its square, over the rows
    that are this program's. Less a row, so that few digits are lost to a mean far from 0."""
    part, parts = tl.program_id(0), tl.num_programs(0)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    known = channel < n_channels
    middle = tl.load(values + channel, known, 0.0).to(tl.float32)
    total = tl.zeros([ROWS, CHANNELS], tl.float32)
    squares = tl.zeros([ROWS, CHANNELS], tl.float32)
    for start in range(part * ROWS, n_rows, parts * ROWS):
        row = start + tl.arange(0, ROWS)
        inside = (row < n_rows)[:, None] & known[None, :]
        places = row.to(tl.int64)[:, None] * n_channels + channel[None, :]
        value = tl.load(values + places, inside, 0.0).to(tl.float32)
        value = tl.where(inside, value - middle[None, :], 0.0)
        total += value
        squares += value * value
    place = part * 2 * n_channels + channel
    tl.store(sums + place, tl.sum(total, 0), known)
    tl.store(sums + place + n_channels, tl.sum(squares, 0), known)


@triton.jit(do_not_specialize=COUNTS)
def finish_moments(
    values,
    sums,
    bias,
    running_mean,
    running_variance,
    mean,
    steepness,
    n_rows,
    n_channels,
    n_parts,
    momentum,
    epsilon,
    ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """mean [C] and steepness [C] = 1 / sqrt(variance + epsilon) from the sums of `sum_values`; the
    running statistics move towards those of values + bias, as torch moves them."""
    channel = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    known = channel < n_channels
    total = tl.zeros([CHANNELS], tl.float64)
    squares = tl.zeros([CHANNELS], tl.float64)
    for start in range(0, n_parts, ROWS):
        part = start + tl.arange(0, ROWS)
        inside = (part < n_parts)[:, None] & known[None, :]
        places = part[:, None] * 2 * n_channels + channel[None, :]
        total += tl.sum(tl.load(sums + places, inside, 0.0).to(tl.float64), 0)
        squares += tl.sum(tl.load(sums + places + n_channels, inside, 0.0).to(tl.float64), 0)
    away = total / n_rows
    variance = squares / n_rows - away * away
    variance = tl.where(variance < 0, 0.0, variance)  # and what is no number stays none
    middle = tl.load(values + channel, known, 0.0).to(tl.float64) + away
    tl.store(mean + channel, middle.to(tl.float32), known)
    tl.store(steepness + channel, (1 / tl.sqrt(variance + epsilon)).to(tl.float32), known)
    new_mean = middle + tl.load(bias + channel, known, 0.0)
    old_mean = tl.load(running_mean + channel, known, 0.0)
    tl.store(running_mean + channel, old_mean + momentum * (new_mean - old_mean), known)
    new_variance = variance * n_rows / tl.maximum(n_rows - 1, 1)
    old_variance = tl.load(running_variance + channel, known, 0.0)
    moved = old_variance + momentum * (new_variance - old_variance)
    tl.store(running_variance + channel, moved, known)


@triton.jit(do_not_specialize=COUNTS)
def pool_normalised(
    values,
    mean,
    steepness,
    scale,
    shift,
    pooled,
    peaks,
    places,
    height,
    width,
    n_windows,
    n_channels,
    ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """pooled [windows, C]: the greatest of a window's four normalised values, 0 if that is less;
    peaks [windows, C]: the value it came from; places [windows, C]: which of the four, 4 for none.
    The first of equal ones, as torch's max-pool takes it."""
    window = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    known = channel < n_channels
    inside = (window < n_windows)[:, None] & known[None, :]
    centre = tl.load(mean + channel, known, 0.0)[None, :]
    factor = tl.load(scale + channel, known, 0.0) * tl.load(steepness + channel, known, 0.0)
    offset = tl.load(shift + channel, known, 0.0)[None, :]
    high, wide = height // 2, width // 2
    image, rest = window // (high * wide), window % (high * wide)
    corner = (image * height + 2 * (rest // wide)) * width + 2 * (rest % wide)
    at = corner.to(tl.int64)[:, None] * n_channels + channel[None, :]
    peak = tl.load(values + at, inside, 0.0).to(tl.float32)
    best = (peak - centre) * factor[None, :] + offset
    place = tl.zeros([ROWS, CHANNELS], tl.int8)
    for k in tl.static_range(1, 4):
        step = ((k // 2) * width + k % 2) * n_channels
        value = tl.load(values + at + step, inside, 0.0).to(tl.float32)
        normalised = (value - centre) * factor[None, :] + offset
        better = (normalised > best) | (normalised != normalised)
        best = tl.where(better, normalised, best)
        peak = tl.where(better, value, peak)
        place = tl.where(better, k, place).to(tl.int8)
    to = window.to(tl.int64)[:, None] * n_channels + channel[None, :]
    tl.store(pooled + to, tl.where(best < 0, 0.0, best), inside)
    tl.store(peaks + to, peak, inside)
    tl.store(places + to, tl.where(best > 0, place, 4).to(tl.int8), inside)


@triton.jit(do_not_specialize=COUNTS)
def sum_gradients(
    gradient,
    peaks,
    places,
    mean,
    steepness,
    sums,
    n_windows,
    n_channels,
    ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """sums [PARTS, 2, C]: of the gradients of pooled values that are above 0, and of the same times
    the standardised value, over the windows that are this program's."""
    part, parts = tl.program_id(0), tl.num_programs(0)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    known = channel < n_channels
    centre = tl.load(mean + channel, known, 0.0)[None, :]
    steep = tl.load(steepness + channel, known, 0.0)[None, :]
    total = tl.zeros([ROWS, CHANNELS], tl.float32)
    along = tl.zeros([ROWS, CHANNELS], tl.float32)
    for start in range(part * ROWS, n_windows, parts * ROWS):
        window = start + tl.arange(0, ROWS)
        inside = (window < n_windows)[:, None] & known[None, :]
        at = window.to(tl.int64)[:, None] * n_channels + channel[None, :]
        place = tl.load(places + at, inside, 4)
        own = tl.load(gradient + at, inside, 0.0).to(tl.float32)
        own = tl.where(place < 4, own, 0.0)
        peak = tl.load(peaks + at, inside, 0.0).to(tl.float32)
        total += own
        along += own * (peak - centre) * steep
    to = part * 2 * n_channels + channel
    tl.store(sums + to, tl.sum(total, 0), known)
    tl.store(sums + to + n_channels, tl.sum(along, 0), known)


@triton.jit(do_not_specialize=COUNTS)
def spread_gradients(
    gradient,
    places,
    values,
    mean,
    steepness,
    scale,
    sums,
    spread,
    height,
    width,
    n_corners,
    n_rows,
    n_channels,
    ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """spread [R, C]: the gradient of the values [R, C], from that of what was pooled of them and
    its two sums [2, C]. A program takes corners: windows, and what is left of them at the edges."""
    corner = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    known = channel < n_channels
    inside = (corner < n_corners)[:, None] & known[None, :]
    centre = tl.load(mean + channel, known, 0.0)[None, :]
    steep = tl.load(steepness + channel, known, 0.0)[None, :]
    factor = tl.load(scale + channel, known, 0.0)[None, :] * steep
    total = tl.load(sums + channel, known, 0.0)[None, :] / n_rows
    along = tl.load(sums + n_channels + channel, known, 0.0)[None, :] / n_rows
    high, wide = height // 2, width // 2
    rows, columns = (height + 1) // 2, (width + 1) // 2
    image, rest = corner // (rows * columns), corner % (rows * columns)
    i, j = rest // columns, rest % columns
    pooled = inside & ((i < high) & (j < wide))[:, None]
    window = ((image * high + i) * wide + j).to(tl.int64)[:, None] * n_channels + channel[None, :]
    own = tl.load(gradient + window, pooled, 0.0).to(tl.float32)
    place = tl.load(places + window, pooled, 4)
    for k in tl.static_range(4):
        row, column = 2 * i + k // 2, 2 * j + k % 2
        there = inside & ((row < height) & (column < width))[:, None]
        at = ((image * height + row) * width + column).to(tl.int64)[:, None] * n_channels
        at += channel[None, :]
        value = tl.load(values + at, there, 0.0).to(tl.float32)
        given = tl.where(place == k, own, 0.0)
        given -= total + (value - centre) * steep * along
        tl.store(spread + at, given * factor, there)
