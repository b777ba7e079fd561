"""Embeddings of clips: those of their frames, made one by mean or by attention."""

from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot_fer.data.packed_images import FaceImages
from fewshot_fer.episodes.clips import ClipEpisodes, Rows
from fewshot_fer.evaluation.embedder import Embedder

ATTENTION_SCALE = 10.0  # of the cosine within the softmax, as Meta-Baseline's logits start
POOL_BYTES = 64 * 1024**2  # of the frames that are pooled at a time


class EmbeddedClips:
    """The embedded frames of K clips.

    frames [F, D]: those of a clip next to one another; sizes [K]: how many are each's.
    """

    def __init__(self, frames: Tensor, sizes: Tensor) -> None:
        self.frames = frames
        self.sizes = sizes.to(frames.device)
        self.starts = self.sizes.cumsum(0) - self.sizes
        self.longest = int(sizes.max())

    def places(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """Return where the frames of clips [...] lie among all, [..., longest], and which of these
        places count: a shorter clip has its last frame there again."""
        number = torch.arange(self.longest, device=clips.device)
        sizes = self.sizes[clips][..., None]
        return self.starts[clips][..., None] + number.minimum(sizes - 1), number < sizes

    def repeated(self, clips: Tensor) -> Tensor:
        """Return where frames of clips [...] lie, [..., longest], those of a shorter clip repeated
        about equally often."""
        number = torch.arange(self.longest, device=clips.device)
        return self.starts[clips][..., None] + number * self.sizes[clips][..., None] // self.longest

    def bytes_of(self, count: int) -> int:
        """Return how many bytes the frames of so many clips take, each as long as the longest."""
        return count * self.longest * self.frames[:1].nbytes

    @cached_property
    def means(self) -> Tensor:
        """The mean [K, D] of each clip's frames."""
        return self.pooled("mean")

    def pooled(self, pooling: str) -> Tensor:
        """Return the embedding [K, D] of each clip.

        mean: of its frames e_t. attention: sum_t a_t e_t with a = softmax_t(ATTENTION_SCALE
        cos(e_t, m)), m that mean: frames that are unlike the others of their clip count for less.
        It is the attention of Matching Networks (Vinyals et al., NeurIPS 2016, section 2.1.1), a
        softmax over cosines, among the frames of one clip, with a scale.
        """
        every = torch.arange(len(self.sizes), device=self.frames.device)
        chunks = torch.split(every, max(1, POOL_BYTES // self.bytes_of(1)))
        return torch.cat([self._pooled(some, pooling) for some in chunks])

    def _pooled(self, clips: Tensor, pooling: str) -> Tensor:
        places, counted = self.places(clips)
        frames = self.frames[places]
        weights = counted.to(frames) / self.sizes[clips][:, None]
        mean = _weighed(frames, weights)
        if pooling == "mean":
            return mean
        alike = F.cosine_similarity(frames, mean[:, None], dim=2)
        scaled = (ATTENTION_SCALE * alike).masked_fill(~counted, -torch.inf)
        return _weighed(frames, scaled.softmax(dim=1))


def embed_clips(
    embedder: Embedder, images: FaceImages, of_clips: ClipEpisodes, clips: Rows
) -> EmbeddedClips:
    """Return the embedded frames of some clips, normalised as the embedder has it."""
    frames = embedder.embed(images, of_clips.clips.frames_of(clips))
    return EmbeddedClips(frames, torch.from_numpy(of_clips.clips.sizes[clips]))


def _weighed(frames: Tensor, weights: Tensor) -> Tensor:
    """Return the sums [K, D] of frames [K, T, D] with weights [K, T]."""
    return (weights[:, None] @ frames)[:, 0]
