"""Two dimensions for embeddings: principal components, and t-SNE."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
STEPS, EXAGGERATED = 1000, 250


def principal_components(vectors: Floats) -> tuple[Floats, float]:
    """Return [N, 2], the projection on the two directions of largest variance, and their share.

    The sign of a direction means nothing: its largest entry is made positive.
    """
    centred = vectors - vectors.mean(axis=0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    first = np.zeros((2, vectors.shape[1]))
    first[: min(2, len(directions))] = directions[:2]
    signs = np.sign(first[np.arange(2), np.abs(first).argmax(axis=1)])
    total = float((sizes**2).sum())
    return centred @ (first * signs[:, None]).T, float(
        (sizes[:2] ** 2).sum()
    ) / total if total else 0.0


def t_sne(vectors: Floats, perplexity: float = 30.0) -> Floats:
    """Return [N, 2] in which neighbours stay neighbours; distances between clusters mean little.

    Exact t-SNE (van der Maaten and Hinton, JMLR 2008) from the principal components, so the same
    vectors always give the same map. Quadratic in N: for some hundreds of points, a second.
    """
    count = len(vectors)
    if count < 5:
        return principal_components(vectors)[0]
    near = _affinities(_squared_distances(vectors), min(perplexity, (count - 1) / 3))
    places = principal_components(vectors)[0]
    places = 1e-4 * places / (places[:, 0].std() or 1.0)
    speed, gain = np.zeros_like(places), np.ones_like(places)
    rate = max(count / 12 / 4, 50.0)
    for step in range(STEPS):
        exaggeration = 12.0 if step < EXAGGERATED else 1.0
        if step == EXAGGERATED:
            speed, gain = np.zeros_like(places), np.ones_like(places)
        slope = _gradient(places, exaggeration * near)
        against = speed * slope < 0
        gain = np.maximum(np.where(against, gain + 0.2, gain * 0.8), 0.01)
        speed = (0.5 if step < EXAGGERATED else 0.8) * speed - rate * gain * slope
        places = places + speed
    return np.asarray(places - places.mean(axis=0))


def _gradient(places: Floats, near: Floats) -> Floats:
    # Without products of matrices: for these sizes their threads cost more than they save.
    across, down = (side[:, None] - side for side in places.T)
    kernel = 1 / (1 + across * across + down * down)
    np.fill_diagonal(kernel, 0.0)
    pull = (near - np.maximum(kernel / kernel.sum(), 1e-12)) * kernel
    return np.asarray(
        4 * np.stack([(pull * across).sum(axis=1), (pull * down).sum(axis=1)], axis=1)
    )


def _squared_distances(vectors: Floats) -> Floats:
    squares = (vectors**2).sum(axis=1)
    crossed = vectors @ vectors.T
    return np.asarray(np.maximum(squares[:, None] + squares[None] - 2 * crossed, 0.0))


def _affinities(distances: Floats, perplexity: float) -> Floats:
    """Return symmetric probabilities [N, N] whose rows have this perplexity, by bisection."""
    others = distances.copy()
    np.fill_diagonal(others, np.inf)
    others -= others.min(axis=1, keepdims=True)  # else all underflows where all are far
    there = others[np.isfinite(others) & (others > 0)]
    scale = float(np.median(there)) if len(there) else 1.0
    low, high = np.full(len(others), -30.0), np.full(len(others), 30.0)  # log of the precision
    weights = np.zeros_like(others)
    for _ in range(60):
        middle = (low + high) / 2
        weights = np.exp(-np.exp(middle)[:, None] * others / scale)
        weights /= weights.sum(axis=1, keepdims=True)
        entropy = -(weights * np.log(np.maximum(weights, 1e-300))).sum(axis=1)
        wide = entropy > np.log(perplexity)
        low, high = np.where(wide, middle, low), np.where(wide, high, middle)
    return np.asarray(np.maximum((weights + weights.T) / (2 * len(weights)), 1e-12))
