"""What is done when: the phases of training, and the learning rate of every step."""

import math

from fewshot_fer.config import TrainConfig, TrainVerb

RISING = 0.3  # share of one cycle in which the rate rises, from a 25th
LOWEST = 1e-4  # of the highest rate, at the end of one cycle


def learning_rate(settings: TrainConfig, epoch: int, done: float = 0.0) -> float:
    """Return the learning rate when this share (0..1) of an epoch (from 1) is done.

    Supervised epochs and epochs of episodes each have a course of their own. `step`: lr * 0.5 **
    (epoch // drop_lr_every): with a drop every 40 epochs the first 39 run at the full rate, one
    less than torch's StepLR(40) stepped after each epoch would give. `cosine`: half a cosine down
    to 0 (Loshchilov and Hutter, ICLR 2017, eq. 5). `one_cycle`: up and down again along cosines
    (Smith and Topin, arXiv:1708.07120).
    """
    highest, first, length = _phase(settings, epoch)
    if settings.schedule == "step":
        every = settings.drop_lr_every
        return float(highest * 0.5 ** (epoch // every)) if every else highest
    come = min(1.0, (epoch - first + done) / length)
    if settings.schedule == "cosine":
        return _along_cosine(highest, 0.0, come)
    if come < RISING:
        return _along_cosine(highest / 25, highest, come / RISING)
    return _along_cosine(highest, highest * LOWEST, (come - RISING) / (1 - RISING))


def supervised_epochs(settings: TrainVerb) -> int:
    """Return how many epochs are passes over the training set: all of them for a classifier."""
    train = settings.train
    return train.epochs if settings.method.name == "classifier" else train.passes


def _phase(settings: TrainConfig, epoch: int) -> tuple[float, int, int]:
    """Return the highest rate, the first epoch and the length of the phase that an epoch is in."""
    supervised = settings.passes
    if epoch <= supervised:
        return settings.lr, 1, supervised
    after = settings.episodic_lr if supervised and settings.episodic_lr else settings.lr
    return after, supervised + 1, max(1, settings.epochs - supervised)


def _along_cosine(start: float, end: float, come: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * come)) / 2
