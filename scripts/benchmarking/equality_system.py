"""fewshot_fer and easyfsl with the same weights, for comparing their logits."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarking.easyfsl_peer import EasyFsl
from benchmarking.ours import Ours
from benchmarking.setting import EVALUATION, SEED, Setting
from fewshot_fer.episodes.pool import build_pool
from fewshot_fer.episodes.sampler import Episodes, draw_episodes
from fewshot_fer.evaluation.embedder import Embedder
from fewshot_fer.evaluation.scoring import gram_pays, logits_in_chunks
from fewshot_fer.models.methods.method import Method
from fewshot_fer.models.methods.prototypes import prototype_logits
from fewshot_fer.system.errors import RunError

WARM_UP = 3  # training episodes, so that batch norms hold statistics that do something


class Equality:
    """Both systems with the same weights, from the picture files to the logits."""

    def __init__(self, setting: Setting) -> None:
        self.ours, self.theirs = Ours(setting), EasyFsl(setting)
        self.ours.train(WARM_UP)
        # A ResNet stands one level deeper in ours; the names are otherwise the same.
        state = self.ours.encoder.state_dict()
        self.theirs.model.backbone.load_state_dict(
            {key.removeprefix("network."): value for key, value in state.items()}
        )
        self.theirs.model.eval()
        self.embedder = Embedder(self.ours.encoder)

    def direct(self, n_episodes: int) -> float:
        """Return the largest difference over episodes that are scored by gathering embeddings."""
        # A method that the library does not know has no shortcut.
        plain = Method("plain", lambda *faces: prototype_logits(*faces))
        return self._largest_difference(np.arange(len(self.ours.images)), n_episodes, plain)

    def gram(self, n_episodes: int) -> float:
        """Return it over episodes of few images, which are scored by inner products."""
        labels = self.ours.table["label"].to_numpy()
        few = [np.flatnonzero(labels == label)[:7] for label in np.unique(labels)[:5]]
        return self._largest_difference(np.concatenate(few), n_episodes, self.ours.method)

    @torch.no_grad()
    def _largest_difference(
        self, rows: NDArray[np.int64], n_episodes: int, method: Method
    ) -> float:
        pool = build_pool(self.ours.table, EVALUATION, rows=rows)
        episodes = draw_episodes(pool, n_episodes, SEED)
        drawn = episodes.images()
        embeddings = self.embedder.embed(self.ours.images, drawn)
        if method is self.ours.method and not gram_pays(len(drawn), episodes, embeddings):
            raise RunError(f"{n_episodes} episodes of {len(drawn)} images take no inner products")
        chunks = list(logits_in_chunks(method, embeddings, drawn, episodes))
        # Ours are minus the squared distance, easyfsl's minus the distance.
        ours = -torch.cat(chunks).clamp(max=0).neg().sqrt()
        theirs = torch.stack(list(self._their_logits(episodes)))
        return float((ours - theirs).abs().max())

    def _their_logits(self, episodes: Episodes) -> Iterator[Tensor]:
        labels = torch.arange(EVALUATION.n_way).repeat_interleave(EVALUATION.k_shot)
        for support, query in zip(episodes.support, episodes.query, strict=True):
            self.theirs.model.process_support_set(self._read(support), labels)
            yield self.theirs.model(self._read(query))

    def _read(self, rows: NDArray[np.int64]) -> Tensor:
        return torch.stack([self.theirs.asked[int(row)][0] for row in rows.ravel()])
