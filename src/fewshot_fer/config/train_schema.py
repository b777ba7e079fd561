"""Settings of the training schedule: `train` and `trainer` of a configuration."""

from dataclasses import dataclass, field

from omegaconf import MISSING

from fewshot_fer.config.quoting import PathText

MIXED = ("halves", "cutmix", "mixup")  # how two faces become one


@dataclass
class AugmentConfig:
    """Random changes to training images; all zero switches augmentation off."""

    flip: float = 0.0  # probability of a left-right flip
    crop: float = 0.0  # largest shift in each direction, as a fraction of the side
    zoom: float = 0.0  # the crop is enlarged or shrunk by up to this fraction
    colour: float = 0.0  # brightness, contrast, saturation vary by up to this fraction
    rotate: float = 0.0  # largest rotation to either side, in degrees
    erase: float = 0.0  # probability that a box of 2 to 33 % of the image becomes its mean colour
    mixup: float = 0.0  # alpha of Mixup, as 0.2: an image and another of its batch are blended
    cutmix: float = 0.0  # alpha of CutMix, as 1.0: a box shows another image of the batch


@dataclass
class CompoundsConfig:
    """Synthetic compounds in training: faces of two basic expressions, mixed."""

    share: float = 0.0  # how many of them beside each image of a step; 0: none
    weight: float = 1.0  # of their loss, which draws them to the composition of their parts
    kind: str = "any"  # halves (eyes of one, mouth of the other), cutmix, mixup; any: all three
    after: float = 0.5  # share of the epochs that have single expressions alone, first


@dataclass
class TrainConfig:
    """The training schedule: first passes over the training set, then epochs of episodes.

    With schedule=step lr(epoch) = lr * 0.5 ** (epoch // drop_lr_every), epochs from 1.
    """

    epochs: int = MISSING  # 0: nothing is learnt, the encoder is taken as it is
    supervised_epochs: int | None = 0  # passes with a classifier's loss, first; null: 3 of 4 epochs
    episodes_per_epoch: int = MISSING  # how many each epoch of episodes draws
    n_way: int = MISSING  # classes of a training episode
    k_shot: int = MISSING  # support images of each class
    n_query: int = MISSING  # queries of each class
    unit: str = "image"  # or clip: what n_way, k_shot and n_query count
    frames: int = 4  # of each clip in an episode, drawn anew each epoch, where clips are counted
    optimiser: str = "adam"  # adam, adamw, or sgd with momentum 0.9
    weight_decay: float = 0.0  # of the optimiser
    lr: float = 1e-3  # learning rate at the start, or at its peak with one_cycle
    episodic_lr: float | None = None  # of episodes that follow supervised epochs; null: lr
    encoder_rate: float = 1.0  # times lr is the encoder's own; below 1: it changes but little
    freeze_batch_norm: bool = False  # the encoder's statistics and weights stay as they came
    schedule: str = "step"  # step, cosine or one_cycle; each phase has its own
    drop_lr_every: int = 40  # step only; 0: never
    average: float = 0.0  # the weights' moving average is what is tested: its decay a step; 0: off
    episodes_per_step: int = 1  # above 1: batch norm and gradient see several episodes at once
    fresh_validation: bool = False  # draw new validation episodes for every epoch
    patience: int = 0  # epochs without a better validation accuracy before stopping; 0: off
    tested: str = "best"  # which checkpoint the tests take: best or last
    batch_size: int = 64  # images a step; supervised epochs only, as are the next two
    least_batches: int = 0  # of an epoch: a set of fewer is gone through several times
    class_weights: str = "none"  # in the loss: none, root (1 / sqrt n) or inverse (1 / n)
    label_smoothing: float = 0.0  # in a classifier's loss
    classification_weight: float = 0.0  # of a classifier's loss, added to that of episodes
    crops: int = 1  # copies of each image of a batch, each changed otherwise: times the cost
    rotation_weight: float = 0.0  # of a second loss: by which quarter turn each image is rotated
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    compounds: CompoundsConfig = field(default_factory=CompoundsConfig)
    teacher: PathText | None = None  # a finished run of the same classes, whose logits are learnt
    distil: float = 0.0  # share of the teacher in a classifier's loss, 0..1
    temperature: float = 4.0  # that logits are divided by there
    average_last: float = 0.0  # of this last share of epochs the weights are averaged; 0: off
    layer_decay: float = 1.0  # an encoder's stage learns at so much of the rate of the next one
    frozen_stages: int = 0  # so many first stages of the encoder stay as they came
    l2_start: float = 0.0  # as weight_decay, but of the encoder's distance from where it started

    @property
    def passes(self) -> int:
        """supervised_epochs, once it is settled."""
        return self.epochs * 3 // 4 if self.supervised_epochs is None else self.supervised_epochs


@dataclass
class TrainerConfig:
    """Where a training run computes."""

    devices: int = 1  # processes that train one network together, each on a GPU or on the CPU
