"""Episodes of clips frame by frame: frames are support and queries, and each clip's frames vote.

It is what clips as the unit are held against: the same episodes and the same frames, which nothing
makes one before the method.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot_fer.episodes.clips import Rows
from fewshot_fer.episodes.sampler import Episodes
from fewshot_fer.evaluation.clip_embeddings import EmbeddedClips
from fewshot_fer.evaluation.metrics import EpisodeScores, score_predictions
from fewshot_fer.evaluation.paired import paired_interval, verdict
from fewshot_fer.evaluation.results import EvaluationResult
from fewshot_fer.evaluation.scoring import CUT_OVER, GRAM_BYTES
from fewshot_fer.models.methods.method import BoundMethod, Method
from fewshot_fer.models.network import query_labels
from fewshot_fer.system.device import halve_or_raise
from fewshot_fer.system.progress import tqdm

VOTE_BYTES = {"cpu": 16 * 1024**2, "cuda": 512 * 1024**2}  # of the frames of episodes at a time
LEAST = 1e-300  # probability of which a logarithm is taken


def vote_in_episodes(
    method: Method, clips: EmbeddedClips, rows: Rows, episodes: Episodes, vote: str
) -> EpisodeScores:
    """Score episodes of clips [K] (`rows`, ascending) whose frames are classified one by one.

    The support of a class are the frames of its clips. vote: how the frames of a query clip decide:
    by their mean `probability`, by `majority` (ties go to the higher mean probability), or by the
    mean of their `embedding`, which is then the query.
    """
    _, n_way, n_query = episodes.query.shape
    labels = query_labels(n_way, n_query)
    predicted, losses = [], []
    for shares in shares_in_chunks(method, clips, rows, episodes, vote):
        predicted.append(shares.argmax(dim=-1))
        of_true = shares.gather(2, labels.expand(len(shares), -1)[..., None])
        losses.append(-of_true.clamp_min(LEAST).log().mean(dim=(1, 2)))
    return score_predictions(
        episodes.classes,
        episodes.query,
        torch.cat(predicted).numpy(),
        torch.cat(losses).numpy(),
        len(episodes.class_names),
    )


def shares_in_chunks(
    method: Method, clips: EmbeddedClips, rows: Rows, episodes: Episodes, vote: str
) -> Iterator[Tensor]:
    """Yield the share [e, Q, way] of each class in the votes of query clips, float64 on the CPU,
    some episodes at a time; for `probability` and `embedding` it is a probability."""
    support = torch.from_numpy(np.searchsorted(rows, episodes.support))
    query = torch.from_numpy(np.searchsorted(rows, episodes.query)).flatten(1)
    given, device = (support, query, torch.from_numpy(episodes.classes)), clips.frames.device
    way = _way(method, clips, episodes, vote)
    count, chunk, start = len(query), max(1, VOTE_BYTES[device.type] // way.moved(episodes)), 0
    with tqdm(total=count, desc="frames that vote", leave=False, disable=None, delay=2) as bar:
        while start < count:
            part = slice(start, start + chunk)
            try:
                with torch.inference_mode():
                    shares = _shares(way, vote, *(each[part].to(device) for each in given))
            except (RuntimeError, MemoryError) as error:
                chunk = halve_or_raise(min(chunk, count), error, 1, "episodes")
                continue
            yield shares.cpu()
            start += chunk
            bar.update(len(shares))


class _EveryFrame:
    """Frames one by one as support and query of any method.

    Each clip gives as many as the longest has, since episodes are arrays and queries may count for
    one another: those of a shorter one count about equally often.
    """

    def __init__(self, method: BoundMethod, clips: EmbeddedClips) -> None:
        self.method = method
        self.clips = clips

    def moved(self, episodes: Episodes) -> int:
        """Return how many bytes of memory an episode takes."""
        return self.clips.bytes_of(episodes.support[0].size + episodes.query[0].size)

    def support(self, clips: Tensor) -> Tensor:
        """Return the support [e, way, frames, D] of clips [e, way, shot]."""
        return self.clips.frames[self.clips.repeated(clips).flatten(2)]

    def places(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """Return the places [e, Q, T] of the frames of query clips [e, Q], and which count."""
        places = self.clips.repeated(clips)
        return places, torch.ones_like(places, dtype=torch.bool)

    def logits(self, support: Tensor, places: Tensor, classes: Tensor) -> Tensor:
        """Return the logits [e, N, way] of frames at places [e, N] for clips [e, way, shot]."""
        return self.method(self.support(support), self.clips.frames[places], classes)


class _ByMeans(_EveryFrame):
    """The same for a method of means: the mean of a class's frames stands for its support."""

    def moved(self, episodes: Episodes) -> int:
        return self.clips.bytes_of(episodes.query[0].size)

    def support(self, clips: Tensor) -> Tensor:
        return _share(self.clips, clips)[:, :, None] @ self.clips.means[clips]

    def places(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        return self.clips.places(clips)


class _ByProducts(_ByMeans):
    """The same for the plain nearest prototype, by inner products that are formed once.

    With q a frame, c_k the mean frame of support clip k, and w_k the share of its frames in those
    of its class, |q - p|^2 = <q, q> - 2 sum_k w_k <q, c_k> + sum_k sum_l w_k w_l <c_k, c_l>.
    """

    def __init__(self, method: BoundMethod, clips: EmbeddedClips) -> None:
        super().__init__(method, clips)
        centre = clips.frames.mean(dim=0)  # numbers get smaller, and what float32 rounds away
        frames, means = clips.frames - centre, clips.means - centre
        self.crossed, self.gram = frames @ means.T, means @ means.T
        self.norms = frames.square().sum(dim=1)

    def moved(self, episodes: Episodes) -> int:
        looked_up = episodes.query[0].size * self.clips.longest * episodes.support[0].size
        return int(16 * looked_up)  # a place and a value, and their products

    def logits(self, support: Tensor, places: Tensor, classes: Tensor) -> Tensor:
        share, size = _share(self.clips, support), len(self.gram)
        among = self.gram.flatten()[support[..., None] * size + support[..., None, :]]
        spread = (share[..., None, :] @ among @ share[..., None])[..., 0, 0]
        wanted = places[:, :, None, None] * size + support[:, None]
        to_support = (self.crossed.flatten()[wanted] * share[:, None]).sum(dim=3)
        squared = self.norms[places][..., None] - 2 * to_support + spread[:, None]
        return -squared.clamp_min(0)


def _way(method: Method, clips: EmbeddedClips, episodes: Episodes, vote: str) -> _EveryFrame:
    """Return the cheapest way to the logits of a method's frames."""
    bound = method.among(episodes.class_names, clips.frames)
    if not method.is_of_means:
        return _EveryFrame(bound, clips)
    products, direct = len(clips.frames) * len(clips.sizes), _ByMeans(bound, clips)
    frames = episodes.query[0].size * clips.longest
    rows = frames * (1 + 2 * episodes.query.shape[1])  # gathered, and differences with prototypes
    fits = products * clips.frames.element_size() <= GRAM_BYTES
    pays = fits and products < CUT_OVER * len(episodes) * rows and vote != "embedding"
    return _ByProducts(bound, clips) if method.is_prototypes and pays else direct


def _share(clips: EmbeddedClips, support: Tensor) -> Tensor:
    """Return the share [e, way, shot] of each clip's frames in those of its class."""
    sizes = clips.sizes[support].to(clips.frames.dtype)
    share: Tensor = sizes / sizes.sum(dim=2, keepdim=True)
    return share


def _shares(way: _EveryFrame, vote: str, support: Tensor, query: Tensor, classes: Tensor) -> Tensor:
    """Return the shares [e, Q, way] of clips: support [e, way, shot], query [e, Q]."""
    if vote == "embedding":
        logits = way.method(way.support(support), way.clips.means[query], classes)
        return logits.double().softmax(dim=-1)
    places, counted = way.places(query)
    logits = way.logits(support, places.flatten(1), classes)
    probabilities = logits.double().softmax(dim=-1).view(*places.shape, -1)
    sizes = counted.sum(dim=2, keepdim=True)
    weights = (counted / sizes).to(probabilities)[..., None]
    mean: Tensor = (probabilities * weights).sum(dim=2)
    if vote == "probability":
        return mean
    given = F.one_hot(probabilities.argmax(dim=-1), probabilities.shape[-1])
    votes: Tensor = (given * weights).sum(dim=2)
    return votes + mean / (4 * sizes)  # ties, as in `votes.vote_by_majority`


def with_vote(clips: EvaluationResult, by_vote: EvaluationResult) -> EvaluationResult:
    """Return the result of clips with that of votes of their frames on the same episodes beside it.

    The row of the votes says what they gain over the clips' own embeddings, with the paired 95 %
    interval over groups, and which of the two levels is better, if that is shown.
    """
    own, other = clips.answers, by_vote.answers
    paired = own[["group", "label", "asked", "correct"]].assign(other=other["correct"])
    low, high = interval = paired_interval(paired, seed=0)
    gain = float((paired["other"] - paired["correct"]).sum() / paired["asked"].sum())
    row = by_vote.rows[0] | {"gain": gain, "gain_low": low, "gain_high": high}
    row["verdict"] = verdict(paired, interval, ("clip", "clip_vote"))
    return replace(clips, rows=[*clips.rows, row], answers=pd.concat([own, other]))
