"""How far priors of class prototypes are trusted beside a few pictures, found in those pictures.

Let x_c be the mean of n pictures of class c and p_c its prior, both less their mean over the
classes of the support. Then

    x_c = slope p_c + error_c + noise_c,    noise of variance spread / n

is a regression of small samples on what is known beforehand (Fay and Herriot, JASA 1979). The
slope, from 0 to 1, says whether the classes lie as their priors do at all: about 0 where the parts
are the wrong ones, below 1 where embeddings of another data set lie closer. What the classes have
in common, another data set's offset, is shrunk as James and Stein did (Berkeley Symposium 1961).

The number of pictures that a prior counts for is spread / error (empirical Bayes: Efron and Morris,
JASA 1973). It is found twice: in the few directions in which the priors differ, and in all others.
The former have few numbers to go by, so it is averaged over what fits these; in the others what is
found is sure enough. The spread is that of the support's pictures around their means, and
training's too where they are few.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

MOST = 128.0  # a prior never counts for more pictures
GUESSES = (4.0, 8.0, 16.0, 32.0, 64.0, MOST)  # pictures that a prior may count for
TRUSTED = 0.5  # of what is found in directions other than those of the priors, see `_shares`
OTHERS = 30  # directions, about, in which pictures of a class differ beside those of the priors
BEFOREHAND = 1.0  # pictures that the spread in training counts for beside the support's own
SAME = 1e-5  # of the largest variance: priors that differ less in a direction do not differ in it


@dataclass(frozen=True)
class Observed:
    """The pictures of E supports.

    means [E, C, D] of a class's pictures, anything where it has none; counts [C]: of pictures;
    deviations [E, N, D]: of every picture from the mean of its class.
    """

    means: Tensor
    counts: Tensor
    deviations: Tensor


def observed(support: Tensor) -> Observed:
    """Return what is observed of support [E, C, shot, D]."""
    shot = support.shape[2]
    means = support.sum(dim=2) / max(shot, 1)
    counts = torch.full((support.shape[1],), shot, device=support.device)
    return Observed(means, counts, (support - means[:, :, None]).flatten(1, 2))


@dataclass(frozen=True)
class _Contrast:
    """What is left of E supports without what their classes have in common.

    n_seen [E]: classes with pictures and a prior; target [E, C, D]: where priors lie by offset and
    slope; residual [E, C, D]: of the means, 0 for other classes; basis [E, C, D]: orthonormal
    directions in which priors differ, 0 beyond their number rank [E].
    """

    n_seen: Tensor
    target: Tensor
    residual: Tensor
    basis: Tensor
    rank: Tensor

    def within(self, vectors: Tensor) -> Tensor:
        """Return coordinates [E, N, C] of vectors [E, N, D] in the basis."""
        return vectors @ self.basis.mT


def shrink(
    observed: Observed, priors: Tensor, known: Tensor, spread: float
) -> tuple[Tensor, Tensor]:
    """Return where priors [E, C, D] draw the means of classes to, and the number of pictures [E, C]
    that each counts for: 0 without a prior, 1 where no class of the support has both.

    known [E, C]: which classes have a prior; spread: mean squared distance of a training picture to
    the mean of its class.
    """
    seen = (known & (observed.counts > 0)).to(priors)
    about = _contrast(observed.means, priors, seen)
    shares = _shares(observed, about, seen, max(spread, torch.finfo(priors.dtype).tiny))
    inside, outside = (share[..., None] for share in shares)
    pull = torch.where(seen[..., None] > 0, about.target - observed.means, 0.0)
    whole = torch.maximum(inside, outside)
    drawn = (outside * pull + (inside - outside) * (about.within(pull) @ about.basis)) / whole
    places = torch.where(seen[..., None] > 0, observed.means + drawn, about.target)
    weights = observed.counts.clamp_min(1) * (whole / (1 - whole))[..., 0]
    weights = torch.where(about.n_seen[:, None] > 0, weights, 1.0)
    return places, known.to(priors) * weights


def _contrast(means: Tensor, priors: Tensor, seen: Tensor) -> _Contrast:
    """Return supports without what their classes have in common, which for a single class is
    nothing. seen [E, C]: 1 for a class with pictures and a prior."""
    n_seen, of_class = seen.sum(dim=-1), seen[..., None]
    total = n_seen.clamp_min(1)[:, None]
    apart = torch.where(of_class > 0, means - priors, 0.0)
    offset = torch.where(n_seen[:, None] > 1, apart.sum(dim=-2) / total, 0.0)
    middle = (of_class * priors).sum(dim=-2) / total
    expected = priors - middle[:, None]
    differing = of_class * expected
    size = (of_class * priors).square().sum(dim=(-2, -1), keepdim=True)
    rounded = differing.square().sum(dim=(-2, -1), keepdim=True) <= SAME**2 * size
    differing = torch.where(rounded, 0.0, differing)
    found = of_class * (apart + expected - offset[:, None])
    squared = differing.square().sum(dim=(-2, -1))
    slope = ((found * differing).sum(dim=(-2, -1)) / squared).clamp(0, 1)
    slope = torch.where(squared > 0, slope, 1.0)[:, None, None]
    residual = found - slope * differing
    error = residual.square().sum(dim=(-2, -1)) / (n_seen - 1).clamp_min(1)
    length = offset.square().sum(dim=-1).clamp_min(torch.finfo(priors.dtype).tiny)
    sure = (1 - error / total[:, 0] / length).clamp_min(0)
    target = (middle + sure[:, None] * offset)[:, None] + slope * expected
    return _Contrast(n_seen, target, residual, *_basis(differing))


def _basis(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return an orthonormal basis [E, C, D] of the span of vectors [E, C, D] and its rank [E]."""
    values, axes = torch.linalg.eigh((vectors @ vectors.mT).double())
    differ = (values > SAME * values[:, -1:]) & (values > 0)
    scaled = axes * torch.where(differ, values, 1.0).rsqrt()[:, None] * differ[:, None]
    return scaled.mT.to(vectors) @ vectors, differ.sum(dim=-1).to(vectors)


def _shares(
    observed: Observed, about: _Contrast, seen: Tensor, spread: float
) -> tuple[Tensor, Tensor]:
    """Return the shares [E, C] of priors in prototypes, in the directions in which they differ and
    in all others. seen [E, C]: which classes they are found in.

    In the others squared lengths count noise that decides little as much as what tells classes
    apart, so that half of the pictures is right there: with all of them composed classes fell
    behind plain ones at 50 shots, on faces put together from the halves of two basic ones. All
    count where the spread is training's: it is less than that of new faces, and the error comes
    out too large already.
    """
    free, counts = (about.n_seen - 1).clamp_min(1), observed.counts.clamp_min(1).to(seen)
    tiny = torch.finfo(seen.dtype).tiny ** 0.5
    noise = (seen / counts).sum(dim=-1) / about.n_seen.clamp_min(1)  # of spread
    inside, outside = _spreads(observed, about, spread)
    found = about.within(about.residual).square().sum(dim=(-2, -1)) / free
    rest = about.residual.square().sum(dim=(-2, -1)) / free - found
    guesses = seen.new_tensor(GUESSES)
    expected = (inside[:, None] * (noise[:, None] + 1 / guesses)).clamp_min(tiny)
    numbers = (about.rank * free - 1).clamp_min(0)[:, None]  # the slope has taken one
    likely = (-numbers / 2 * (expected.log() + found[:, None] / expected)).softmax(dim=-1)
    averaged = (likely[:, None] * guesses / (counts[..., None] + guesses)).sum(dim=-1)
    error = (rest - outside * noise).clamp_min(outside / MOST).clamp_min(tiny)
    own = _free(observed) / (BEFOREHAND + _free(observed))
    trusted = 1 - (1 - TRUSTED) * own
    count = (trusted * outside / error)[:, None].clamp_min(tiny)
    return averaged.expand_as(seen), count / (counts + count)


def _spreads(observed: Observed, about: _Contrast, spread: float) -> tuple[Tensor, Tensor]:
    """Return the spread [E] of a class's pictures in the directions of the basis and in others."""
    pictures = BEFOREHAND + _free(observed)
    whole = observed.deviations.square().sum(dim=(-2, -1))
    whole = (BEFOREHAND * spread + whole) / pictures
    own = about.within(observed.deviations).square().sum(dim=(-2, -1))
    share = about.rank / (about.rank + OTHERS)
    inside = (BEFOREHAND * share * whole + own) / pictures
    return inside, (whole - inside).clamp_min(0)


def _free(observed: Observed) -> Tensor:
    """Return how many pictures there are beside the first of each class."""
    return observed.counts.sum() - (observed.counts > 0).sum()
