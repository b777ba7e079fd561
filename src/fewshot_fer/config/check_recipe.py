"""Refuse settings of recipes against learning by heart that cannot work."""

from fewshot_fer.config.names import at_least, inside
from fewshot_fer.config.schema import TrainVerb, supervised_epochs
from fewshot_fer.config.train_schema import TrainConfig
from fewshot_fer.system.errors import ConfigError


def check_recipe(settings: TrainVerb) -> None:
    """Raise ConfigError naming the key and the fix."""
    train = settings.train
    inside("train.distil", train.distil, 0.0, 1.0)
    inside("train.temperature", train.temperature, 0.0, 100.0, above_low=True)
    inside("train.average_last", train.average_last, 0.0, 1.0)
    inside("train.layer_decay", train.layer_decay, 0.0, 1.0, above_low=True)
    at_least("train.frozen_stages", train.frozen_stages, 0)
    inside("train.l2_start", train.l2_start, 0.0, 1.0)
    inside("backbone.drop_block", settings.backbone.drop_block, 0.0, 0.9)
    _check_teacher(settings)
    _check_average(train)
    if settings.backbone.weights == "none":
        for key in ("frozen_stages", "l2_start"):
            if value := getattr(train, key):
                raise ConfigError(
                    f"train.{key}={value:g} keeps to the weights that the encoder starts from, and "
                    f"backbone.weights=none are random: give weights, or leave it out"
                )


def _check_teacher(settings: TrainVerb) -> None:
    train = settings.train
    if settings.resume is not None:  # the share is the run's, and only the place is typed
        return
    if train.teacher is None and train.distil:
        raise ConfigError(
            f"train.distil={train.distil:g} needs a teacher: train.teacher=outputs/train/..., a "
            f"finished run of the same classes"
        )
    if train.teacher is None:
        return
    if not train.distil:
        raise ConfigError("train.teacher has no share in the loss: give one, as train.distil=0.5")
    if not supervised_epochs(settings):
        raise ConfigError(
            "train.teacher is learnt from in supervised epochs, and there are none: take "
            "train=pretrain_meta, or train.supervised_epochs="
        )


def _check_average(train: TrainConfig) -> None:
    if not train.average_last:
        return
    given = f"train.average_last={train.average_last:g}"
    if train.average:
        raise ConfigError(f"{given} and train.average={train.average:g}: average in one way only")
    if train.patience:
        raise ConfigError(
            f"{given}: train.patience={train.patience} may stop the run before the epochs that are "
            f"averaged: add train.patience=0"
        )
