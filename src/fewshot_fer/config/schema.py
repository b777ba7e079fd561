"""Settings of train, check and test as dataclasses, which Hydra takes as schemas.

Values stand in conf/, not here: a field without a default must be given by a file there.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from fewshot_fer.config.model_schema import BackboneConfig, MethodConfig
from fewshot_fer.config.paper import PaperConfig
from fewshot_fer.config.quoting import NewPath, PathText
from fewshot_fer.config.train_schema import TrainConfig, TrainerConfig

VOTES = ("majority", "compound")
LAYOUTS = ("class_first", "subject_first", "split_first")  # of a folder of faces
WITHIN = ("any", "set")  # what an episode's images come from
LOGGERS = ("csv", "tensorboard")
UNITS = ("image", "clip")  # of an episode
POOLINGS = ("mean", "attention")  # of frames to a clip


@dataclass
class DatasetConfig:
    """Which faces: an adapter, where its files lie, and which of its splits is taken."""

    adapter: str = MISSING  # a name in data/adapters/, such as rafdb_basic or folder
    split: str = "all"  # train, val, test, all or another that the data set has
    root: PathText | None = None  # null: looked for under paths.data
    file: PathText | None = None  # csv only: the list of images
    layout: str | None = None  # folder only: which folders are classes; null: as names tell
    clips: dict[str, list[str]] = field(default_factory=dict)  # mixed only: class -> AFEW clip ids
    classes: list[str] = field(default_factory=list)  # these alone are taken; empty: all
    votes: str = "majority"  # ferplus only; compound: two classes that share the votes are one
    sets: list[str] = field(default_factory=list)  # union only: names of data sets
    skip_missing: bool = False  # a test, or sets of a union, may be left out if not there


@dataclass
class EvalConfig:
    """A data set and how it is evaluated: in episodes, or all its images on a fixed support."""

    name: str = MISSING  # what results call it
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    kind: str = "episodes"  # episodes, or fixed: every image against a fixed support
    k_shot: int = MISSING  # support images of each class
    n_way: int = MISSING  # classes of an episode; fixed: 0, all classes of the support
    n_query: int = 1  # queries of each class; episodes only, as is the next
    episodes: int = 600  # how many are drawn
    unit: str = "image"  # or clip: what n_way, k_shot and n_query count
    frames: int | None = 16  # of a clip, evenly spaced, where clips are counted; null: all
    pooling: str = "mean"  # how the embeddings of a clip's frames become one: mean or attention
    repeats: int = 1  # so many times `episodes`, each from a random stream of its own
    support_draws: int = 5  # how many supports are drawn; fixed only, as is the next
    support_split: str | None = None  # null: support from the training set; else from this split
    vote: str = "probability"  # how frames decide a clip: probability, embedding or majority


@dataclass
class MixConfig:
    """Changes to the training set."""

    per_set: int | None = None  # this many images of each set, by leaving out and repeating
    per_class: int | None = None  # then this many images of each class, likewise


@dataclass
class EpisodesConfig:
    """Rules that hold for every episode, in training and in evaluation."""

    disjoint: str = "group"  # support and query share no group, or only no image
    within: str = "any"  # set: all images of an episode are of one data set, drawn uniformly
    skip_small_classes: bool = False
    save: NewPath | None = None  # file to write the evaluations' episodes to
    load: PathText | None = None  # file to read them from, in the place of drawing


@dataclass
class DemoConfig:
    """The set of drawn faces: its size relative to the default, and the seed it is drawn from."""

    scale: float = 1.0  # how many faces are drawn, as a multiple of the default
    seed: int = 0  # another draws other faces
    layouts: list[str] = field(default_factory=list)  # data sets written besides; used ones are too


@dataclass
class PathsConfig:
    """Where data are read and results are written."""

    data: PathText | None = None  # the folder that holds RAF-DB and AFEW
    demo: bool | None = None  # use the set of drawn faces in place of `data`
    outputs: NewPath = "outputs"  # the folder that results are written below


@dataclass
class TrainVerb:
    """Everything that `python -m fewshot_fer.train` reads."""

    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    eval: EvalConfig = field(default_factory=EvalConfig)
    test: dict[str, EvalConfig] = field(default_factory=dict)
    methods: list[str] = field(default_factory=list)  # tested beside the run's own: names, or all
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    method: MethodConfig = field(default_factory=MethodConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    episodes: EpisodesConfig = field(default_factory=EpisodesConfig)
    mix: MixConfig = field(default_factory=MixConfig)
    paper: PaperConfig = field(default_factory=PaperConfig)
    demo: DemoConfig = field(default_factory=DemoConfig)
    paths: PathsConfig = field(default_factory=PathsConfig)
    on_bad_image: str = "error"  # or skip: leave pictures out that cannot be read, and list them
    skip_bad_tests: bool = False  # leave tests out that cannot be run, and list them
    resume: NewPath | None = None  # the folder of a run that was stopped
    seed: int = 0  # of weights, episodes and augmentation
    device: str = "auto"  # auto, cpu or cuda
    threads: int | None = None  # on the CPU; null: all that this process may use
    precision: str = "float32"
    fast: bool = True  # false: plain layers and loops, no hand-made fast path
    logger: str = "csv"  # or tensorboard, which is written beside the tables


@dataclass
class CheckVerb(TrainVerb):
    """Everything that `python -m fewshot_fer.check` reads: what train does, and one more."""

    data: PathText | None = None  # a folder: which data sets lie in it is said, nothing else


@dataclass
class TestVerb:
    """Everything that `python -m fewshot_fer.test` reads; null means: as the run was trained."""

    run: PathText = MISSING
    checkpoint: str | None = None  # best or last; null: the run's train.tested
    methods: list[str] = field(default_factory=list)  # beside the run's own: names, or all
    neutral: str | None = None  # none or subject, as method.neutral
    test: dict[str, EvalConfig] = field(default_factory=dict)
    episodes: EpisodesConfig = field(default_factory=EpisodesConfig)
    paths: PathsConfig = field(default_factory=PathsConfig)
    on_bad_image: str = "error"
    keep_embeddings: bool = True  # in the run's folder, so that the next test embeds nothing
    shards: int = 1  # how many commands share the embedding of what the tests need
    shard: int | None = None  # which of them this is, from 0: it embeds its part, and tests nothing
    seed: int | None = None
    device: str = "auto"  # auto, cpu or cuda
    threads: int | None = None


def fingerprint(config: dict[str, Any]) -> str:
    """Return 16 hex digits that identify a configuration, wherever its results are put."""
    paths = {key: value for key, value in config.get("paths", {}).items() if key != "outputs"}
    text = json.dumps({**config, "paths": paths}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def supervised_epochs(settings: TrainVerb) -> int:
    """Return how many epochs are passes over the training set: all of them for a classifier."""
    train = settings.train
    return train.epochs if settings.method.name == "classifier" else train.passes


def draws_episodes(settings: TrainVerb) -> bool:
    """Return whether any epoch draws episodes."""
    return supervised_epochs(settings) < settings.train.epochs
