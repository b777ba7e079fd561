"""fewshot_fer as its own commands use it."""

from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from torch import nn

from benchmarking.setting import AUGMENT, EVALUATION, LEARNING_RATE, SEED, Setting
from benchmarking.worker import MEGABYTE, seconds_of
from fewshot_fer.config.model_schema import BackboneConfig
from fewshot_fer.config.train_schema import AugmentConfig, TrainConfig
from fewshot_fer.data.adapters.folder import read_folder
from fewshot_fer.data.packed_images import FaceImages, pack
from fewshot_fer.episodes.pool import Shape, build_pool
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.evaluation.embedder import Embedder
from fewshot_fer.evaluation.scoring import evaluate, score_episodes
from fewshot_fer.models import build_encoder
from fewshot_fer.models.methods.method import PROTOTYPES
from fewshot_fer.models.network import Network
from fewshot_fer.system.device import Precision, prepare_device
from fewshot_fer.training.episodic import EpisodicTraining
from fewshot_fer.training.supervised import SupervisedTraining


class Ours:
    """Trains and evaluates through the functions that `train` and `test` call."""

    def __init__(self, setting: Setting) -> None:
        self.device = prepare_device(setting.device, SEED)
        self.table = read_folder(setting.faces)
        self.images = FaceImages(pack(self.table, setting.image_size, setting.cache), self.device)
        backbone = BackboneConfig(name=setting.backbone, filters=setting.filters, weights="none")
        self.settings = TrainConfig(
            epochs=1,
            episodes_per_epoch=1,
            n_way=setting.shape.n_way,
            k_shot=setting.shape.k_shot,
            n_query=setting.shape.n_query,
            batch_size=setting.batch,
            lr=LEARNING_RATE,
            drop_lr_every=0,
            augment=AUGMENT if setting.augment else AugmentConfig(),
        )
        self.method = PROTOTYPES
        self.fast = not setting.compiled
        encoder = build_encoder(backbone, fast=self.fast).to(self.device)
        self.encoder = encoder.to(memory_format=torch.channels_last)
        if setting.compiled:
            self.encoder.compile(mode="reduce-overhead")
        self.precision = Precision(bf16=setting.bf16)
        self.learnt = self._protocol("train", setting.shape)
        self.asked = self._protocol("test", EVALUATION)
        self.epoch = 0  # counts up, so that each turn draws other episodes
        self.embedder = Embedder(self.encoder)

    @cached_property
    def training(self) -> EpisodicTraining:
        """What trains on episodes."""
        network = Network(self.encoder, None, self.method.logits)
        return EpisodicTraining(network, self.settings, SEED, self.precision, self.fast)

    @cached_property
    def supervised(self) -> SupervisedTraining:
        """What trains a classifier on batches, from the same weights."""
        pixels = torch.zeros(2, 3, self.images.side, self.images.side, device=self.device)
        with torch.no_grad():
            width = self.encoder.eval()(pixels).shape[1]
        head = nn.Linear(width, len(self.learnt.pool.class_names), device=self.device)
        network = Network(self.encoder, head, self.method.logits)
        training = SupervisedTraining(network, self.learnt, self.settings, SEED, self.precision)
        if self.fast and self.device.type == "cuda":
            training.capture_steps()
        return training

    def learn(self, n_batches: int) -> float:
        """Return seconds for a batch of as many images as an episode has, in passes over all
        images: the number of passes that is next to `n_batches`."""
        passes = max(1, round(n_batches * self.settings.batch_size / len(self.images)))
        seconds = seconds_of(lambda: self._pass_over(passes), self.device.type)
        return seconds / (passes * len(self.images)) * self.settings.batch_size

    def gpu_memory(self, _: int) -> float:
        """Return the most memory of a GPU that was taken so far, in MB; none on a CPU."""
        if self.device.type == "cpu":
            return 0.0
        return torch.cuda.max_memory_reserved() / MEGABYTE

    def _pass_over(self, passes: int) -> None:
        for _ in range(passes):
            self.epoch += 1
            self.supervised.run_epoch(self.images, self.learnt, self.epoch)

    def train(self, n_episodes: int) -> float:
        """Return seconds an episode of an epoch: drawing, augmenting, learning, scoring."""
        self.epoch += 1
        protocol = replace(self.learnt, n_episodes=n_episodes)
        run = lambda: self.training.run_epoch(self.images, protocol, self.epoch)  # noqa: E731
        return seconds_of(run, self.device.type) / n_episodes

    def evaluate(self, n_episodes: int) -> float:
        """Return seconds an episode, with nothing embedded before."""
        return seconds_of(lambda: self._evaluate(n_episodes), self.device.type) / n_episodes

    def score(self, n_episodes: int) -> float:
        """Return seconds for all of `n_episodes` where every image was embedded before."""
        every = np.arange(len(self.images))
        embeddings = self.embedder.embed(self.images, every)
        episodes = replace(self.asked, n_episodes=n_episodes).draw(SEED)
        score = lambda: score_episodes(self.method, embeddings, every, episodes)  # noqa: E731
        return seconds_of(score, self.device.type)

    def embed(self, n_images: int) -> float:
        """Return seconds an image of a checkpoint that is folded and has embedded nothing yet."""
        rows = np.arange(min(n_images, len(self.images)))
        embedder = Embedder(self.encoder)
        embed = lambda: embedder.embed(self.images, rows)  # noqa: E731
        return seconds_of(embed, self.device.type) / len(rows)

    def read_all(self, _: int) -> float:
        """Return seconds to gather every image once, as a long training does over time."""
        blocks = np.array_split(np.arange(len(self.images)), 1 + len(self.images) // 256)
        return seconds_of(lambda: [self.images.gather(rows) for rows in blocks], self.device.type)

    def _evaluate(self, n_episodes: int) -> None:
        self.epoch += 1
        episodes = replace(self.asked, n_episodes=n_episodes).draw(SEED, self.epoch)
        evaluate(Embedder(self.encoder), self.method, self.images, episodes)

    def _protocol(self, role: str, shape: Shape) -> EpisodicProtocol:
        pool = build_pool(self.table, shape)
        return EpisodicProtocol(role, "benchmark", "faces", self.table, 1, pool)
