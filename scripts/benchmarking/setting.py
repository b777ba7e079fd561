"""Settings of a measured process, and how much is measured."""

from dataclasses import dataclass
from pathlib import Path

from fewshot_fer.config.train_schema import AugmentConfig
from fewshot_fer.episodes.pool import Shape

TRAINING = Shape(n_way=3, k_shot=5, n_query=5)
PAPERS = Shape(n_way=5, k_shot=5, n_query=16)  # of training, in most of them
EVALUATION = Shape(n_way=4, k_shot=5, n_query=1)
AUGMENT = AugmentConfig(flip=0.5, crop=0.07, zoom=0.1, colour=0.3)
LEARNING_RATE = 1e-3
SEED = 0
SCALED_SIDE = 32  # of growing sets that are embedded: at 84 the largest would take four minutes


@dataclass(frozen=True)
class Setting:
    """faces: folder of <class>/*.jpg; cache: where packs go; augment: whether training
    images are; shape: of a training episode; bf16: whether training's forward is in bfloat16;
    compiled: the encoder by torch.compile, steps started one by one."""

    faces: Path
    cache: Path
    threads: int
    backbone: str = "conv4"
    device: str = "cpu"
    image_size: int = 84
    filters: int = 64
    augment: bool = True
    shape: Shape = TRAINING
    bf16: bool = False
    compiled: bool = False

    @property
    def batch(self) -> int:
        """Images of a training step: those of an episode, in supervised passes as many."""
        return self.shape.n_way * (self.shape.k_shot + self.shape.n_query)


@dataclass(frozen=True)
class Sizes:
    """How much is measured. turn_seconds: what a turn of one system should take."""

    turns: int
    turn_seconds: float
    evaluation_turns: int  # of evaluations that take a few seconds each
    long_turns: int  # of what takes longer
    backbones: tuple[str, ...] = ("conv4", "resnet18")
    demo_scale: float = 1.0
    image_size: int = 84
    filters: int = 64
    images: int = 3954  # RAF-DB compound has as many
    training_images: int = 15339  # RAF-DB basic has as many
    few_episodes: int = 100
    many_episodes: int = 10_000
    scaled_episodes: tuple[int, ...] = (1_000_000,)  # 100 and 10,000 are compared with peers
    scaled_images: tuple[int, ...] = (1_000, 10_000, 100_000)
    packed_images: tuple[int, ...] = (1_000, 3_954, 15_339)
    growing_images: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    growing_episodes: tuple[int, ...] = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
    growing_classes: tuple[int, ...] = (7, 14, 25, 50, 100)
    growing_clips: tuple[int, ...] = (100, 1_000, 10_000, 100_000)
    embedded: int = 512  # images of a turn
    gemm_side: int = 2_048
    classic_epochs: int = 10  # measured on a GPU, of the study's 500
    classic_epoch: int = 100  # episodes of each
    reported_runs: tuple[int, ...] = (100, 1_000)
    reported_images: int = 1_000  # predictions of each of them
    swept_jobs: int = 10
    swept_episodes: int = 10  # of a job's training
    compared_episodes: int = 600  # of each test with all methods
    prepared_clips: int = 500
    prepare_turns: int = 10  # of 20 clips
    ranked: tuple[str, ...] = ("conv4", "resnet18")  # encoders of two ranks
    ranked_images: int = 132
    encoders: tuple[tuple[str, int], ...] = (  # with the side of their images
        *(("resnet12", 84), ("resnet18", 112), ("resnet18", 224)),
        *(("efficientnet_b0", 224), ("face_expression", 112)),
    )
    encoder_shape: Shape = PAPERS
    encoder_turns: int = 5
    encoder_seconds: float = 3.0  # of a turn: the peers start loader processes in each
    fresh: bool = True  # whether commands start as a user's do, not forked with torch imported
    judged: bool = True  # whether the targets hold for these sizes


# Short turns: the longer one lasts, the more a neighbour's load differs between its two ends.
FULL = Sizes(turns=9, turn_seconds=1.0, evaluation_turns=5, long_turns=3)
QUICK = Sizes(
    turns=4,
    turn_seconds=0.5,
    evaluation_turns=2,
    long_turns=1,
    backbones=("conv4",),
    demo_scale=0.3,
    training_images=3954,
    scaled_images=(1_000, 10_000),
    packed_images=(1_000, 3_954),
    growing_images=(1_000, 10_000, 100_000),
    growing_episodes=(100, 1_000, 10_000, 100_000),
    growing_clips=(100, 1_000, 10_000),
    reported_runs=(20, 60),
    swept_jobs=3,
    compared_episodes=100,
    prepared_clips=60,
    prepare_turns=2,
    encoder_turns=2,
    encoder_seconds=1.0,
)
TINY = Sizes(
    turns=1,
    turn_seconds=0.02,
    evaluation_turns=1,
    long_turns=1,
    backbones=("conv4",),
    demo_scale=0.02,
    image_size=32,
    filters=8,
    images=132,
    training_images=154,
    few_episodes=10,
    many_episodes=100,
    scaled_episodes=(10,),
    scaled_images=(20, 40),
    packed_images=(132,),
    growing_images=(200, 400),
    growing_episodes=(100,),
    growing_classes=(7,),
    growing_clips=(100,),
    embedded=32,
    gemm_side=128,
    classic_epochs=1,
    classic_epoch=4,
    reported_runs=(2,),
    reported_images=30,
    swept_jobs=1,
    swept_episodes=2,
    compared_episodes=3,
    prepared_clips=1,
    prepare_turns=1,
    ranked=("conv4",),
    encoders=(("face_expression", 16),),
    encoder_shape=Shape(n_way=3, k_shot=1, n_query=1),
    encoder_turns=1,
    encoder_seconds=0.02,
    fresh=False,
    judged=False,
)
