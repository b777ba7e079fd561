"""How far priors of class prototypes are trusted beside a few pictures, found in those pictures.

A prior counts for 1, 2, 4, ... or 128 pictures of its class, each as likely beforehand. Every
picture of the support is classified by prototypes made without it, for each of these numbers; how
likely its own class is then, multiplied over all pictures, says how much each number is to be
believed (leaving one out: Stone, JRSS B 1974; averaging: Hoeting et al., Statistical Science 1999).
At one picture a class the priors are all that is left, and what counts is whether each picture lies
next to the prior of its own class.

Priors that say nothing are tried too: every class starts from what all have in common. Where that
makes the pictures likelier, the parts are the wrong ones, and nothing is drawn towards them.

On another data set embeddings lie elsewhere as a whole, and closer together. What priors have in
common is moved to the pictures as far as the offset is more than noise (James and Stein, Berkeley
Symposium 1961), and priors never lie farther apart than the means of pictures do.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

COUNTS = tuple(2.0**power for power in range(8))  # pictures that a prior may count for
DIRECTIONS = 8  # over which the spread of a class's pictures is shared; 6 to 12 do as well


@dataclass(frozen=True)
class _Start:
    """Where the classes of E supports start from.

    seen [E, C]: which have a prior and pictures; common [E, D]: what these have in common;
    differing [E, C, D]: where their priors lie from there.
    """

    seen: Tensor
    common: Tensor
    differing: Tensor


def shrink(
    pictures: Tensor, labels: Tensor, priors: Tensor, known: Tensor, spread: float
) -> tuple[Tensor, Tensor]:
    """Return where priors [E, C, D] draw the means of classes to, and the number of pictures [E, C]
    that each counts for: 0 without a prior, 1 where no class of the support has both.

    pictures [E, N, D] of E supports; labels [N]: which of the C classes each is of; known [E, C]:
    which classes have a prior; spread: mean squared distance of a training picture to the mean of
    its class, for supports without two pictures of a class. A class without pictures lies where
    its prior says.
    """
    members = F.one_hot(labels, priors.shape[1]).to(priors)
    totals = members.sum(dim=0)
    means = members.mT @ pictures / totals.clamp_min(1)[:, None]
    start = _start(means, priors, known & (totals > 0))
    variance = _spread(pictures, means, totals, spread) / DIRECTIONS
    nothing, something = _likelihoods(pictures, labels, means, start, variance)
    hold = something.logsumexp(dim=-1) >= nothing.logsumexp(dim=-1)
    believed = torch.where(hold[:, None], something, nothing).softmax(dim=-1)
    counts, own = priors.new_tensor(COUNTS), totals.clamp_min(1)
    share = believed @ (counts / (own[:, None] + counts)).mT
    weights = own * share / (1 - share)
    weights = torch.where(start.seen.any(dim=-1, keepdim=True), weights, 1.0)
    drawn = (hold[:, None] | ~start.seen)[..., None]
    places = start.common[:, None] + torch.where(drawn, start.differing, 0.0)
    return places, known.to(priors) * weights


def _start(means: Tensor, priors: Tensor, seen: Tensor) -> _Start:
    """Return where classes start from by means and priors [E, C, D] of those that are seen [E, C].
    A single class has no offset: that cannot be told from an error of its prior."""
    tiny = torch.finfo(priors.dtype).tiny
    of_class, n_seen = seen[..., None].to(priors), seen.sum(dim=-1)[:, None]
    here, there = ((of_class * each).sum(dim=1) / n_seen.clamp_min(1) for each in (means, priors))
    offset = torch.where(n_seen > 1, here - there, 0.0)
    found, differing = means - here[:, None], priors - there[:, None]
    error = (of_class * (found - differing)).square().sum(dim=(1, 2))[:, None]
    error = error / ((n_seen - 1) * n_seen).clamp_min(1)  # of the offset
    sure = 1 - error / offset.square().sum(dim=-1, keepdim=True).clamp_min(tiny)
    size, expected = ((of_class * each).square().sum(dim=(1, 2)) for each in (found, differing))
    closer = (size / expected.clamp_min(tiny)).sqrt().clamp_max(1)[:, None]
    closer = torch.where(n_seen > 1, closer, 1.0)
    return _Start(seen, there + sure.clamp_min(0) * offset, closer[..., None] * differing)


def _spread(pictures: Tensor, means: Tensor, totals: Tensor, spread: float) -> Tensor:
    """Return the mean squared distance [E] of a picture to the mean of its class, where classes
    have two pictures that of the supports, otherwise the one given; never 0."""
    free = len(pictures[0]) - (totals > 0).sum()
    whole = pictures.square().sum(dim=(1, 2)) - means.square().sum(dim=-1) @ totals
    found = torch.where(free > 0, whole / free.clamp_min(1), pictures.new_tensor(spread))
    return found.clamp_min(torch.finfo(pictures.dtype).eps)


def _likelihoods(
    pictures: Tensor, labels: Tensor, means: Tensor, start: _Start, variance: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the log likelihoods [E, len(COUNTS)] of the pictures' classes by prototypes made
    without them: where priors say nothing, and where they are those given.

    A prototype is (sum of pictures + count * prior) / (their number + count). Every class does
    without one picture, its own or else its mean, so that at one picture a class all are priors.
    variance [E]: of the pictures of a class in one direction.
    """
    x, m, d = pictures - start.common[:, None], means - start.common[:, None], start.differing
    own = F.one_hot(labels, m.shape[1]).bool()
    n = own.sum(dim=0).to(x)
    xx, xm, xd = x.square().sum(dim=-1, keepdim=True), x @ m.mT, x @ d.mT
    mm, md, dd = ((one * other).sum(dim=-1)[:, None] for one, other in ((m, m), (m, d), (d, d)))
    left_x = n * xm - torch.where(own, xx, xm)  # of x and a sum of n - 1 pictures
    left_d = n * md - torch.where(own, xd, md)
    squared = torch.where(own, n**2 * mm - 2 * n * xm + xx, (n - 1) ** 2 * mm)
    found = []
    for slope in (0.0, 1.0):
        for count in COUNTS:
            drawn, total = slope * count, n - 1 + count
            length = (squared + 2 * drawn * left_d + drawn**2 * dd) / total**2
            wide = 2 * variance[:, None, None] * (1 + 1 / total[labels])[:, None]
            logits = (2 * (left_x + drawn * xd) / total - length) / wide
            logits = logits.masked_fill(~start.seen[:, None], -torch.inf).log_softmax(dim=-1)
            of_own = logits.gather(-1, labels[None, :, None].expand(len(x), -1, 1))[..., 0]
            found.append(torch.where(start.seen[:, labels], of_own, 0.0).sum(dim=-1))
    nothing, something = torch.stack(found, dim=-1).chunk(2, dim=-1)
    return nothing, something
