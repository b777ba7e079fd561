"""easyfsl as its README and its notebook on episodic training show it."""

from easyfsl.datasets import FewShotDataset
from easyfsl.methods import PrototypicalNetworks
from easyfsl.samplers import TaskSampler
from easyfsl.utils import evaluate
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader, Sampler

from benchmarking.peer_parts import FaceFiles, loader_options, textbook_encoder
from benchmarking.setting import EVALUATION, LEARNING_RATE, Setting
from benchmarking.worker import seconds_of
from fewshot_fer.episodes.pool import Shape


class _TakesDataSource(Sampler[list[int]]):
    """Stands between TaskSampler and Sampler in the order of classes, and drops data_source."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__()


class _ShimmedTaskSampler(TaskSampler, _TakesDataSource):  # type: ignore[misc]
    """TaskSampler on a torch whose Sampler takes no argument."""


class _Faces(FewShotDataset):  # type: ignore[misc]
    """Our files as the data set that its sampler asks for."""

    def __init__(self, setting: Setting, augment: bool) -> None:
        self.files = FaceFiles(setting, augment)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.files[index]

    def __len__(self) -> int:
        return len(self.files)

    def get_labels(self) -> list[int]:
        return self.files.labels


class EasyFsl:
    """PrototypicalNetworks with TaskSampler and DataLoader; no class or setting of ours."""

    def __init__(self, setting: Setting) -> None:
        self.device, self.shape = setting.device, setting.shape
        self.learnt = _Faces(setting, setting.augment)
        self.asked = _Faces(setting, augment=False)
        self.model = PrototypicalNetworks(textbook_encoder(setting)).to(self.device)
        self.loss = nn.CrossEntropyLoss()
        self.optimiser = optim.Adam(self.model.parameters(), lr=LEARNING_RATE)

    def train(self, n_episodes: int) -> float:
        """Return seconds an episode."""
        return seconds_of(lambda: self._train(n_episodes), self.device) / n_episodes

    def evaluate(self, n_episodes: int) -> float:
        """Return seconds an episode; it embeds the images of each one anew."""
        loader = self._loader(self.asked, EVALUATION, n_episodes)
        run = lambda: evaluate(self.model, loader, self.device, use_tqdm=False)  # noqa: E731
        return seconds_of(run, self.device) / n_episodes

    def _train(self, n_episodes: int) -> None:
        losses = []
        self.model.train()
        for support, support_labels, query, query_labels, _ in self._loader(
            self.learnt, self.shape, n_episodes
        ):
            self.optimiser.zero_grad()
            self.model.process_support_set(support.to(self.device), support_labels.to(self.device))
            scores = self.model(query.to(self.device))
            loss = self.loss(scores, query_labels.to(self.device))
            loss.backward()
            self.optimiser.step()
            losses.append(loss.item())

    def _loader(self, faces: _Faces, shape: Shape, n_episodes: int) -> DataLoader[object]:
        sampler = _ShimmedTaskSampler(faces, shape.n_way, shape.k_shot, shape.n_query, n_episodes)
        return DataLoader(
            faces,
            batch_sampler=sampler,
            **loader_options(self.device),
            collate_fn=sampler.episodic_collate_fn,
        )
