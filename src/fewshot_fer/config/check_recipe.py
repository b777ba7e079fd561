"""Refuse settings of recipes against learning by heart, and of compounds, that cannot work."""

from dataclasses import asdict

from fewshot_fer.config.names import at_least, inside, one_of
from fewshot_fer.config.schema import TrainVerb, draws_episodes, supervised_epochs
from fewshot_fer.config.train_schema import MIXED, TrainConfig
from fewshot_fer.system.errors import ConfigError

HIGHEST = {
    **{"flip": 1.0, "crop": 0.5, "zoom": 0.9, "colour": 1.0},
    **{"rotate": 180.0, "erase": 1.0, "mixup": 100.0, "cutmix": 100.0},
}


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
    _check_augmentation(settings)
    _check_compounds(settings)
    _check_teacher(settings)
    _check_supervised(settings)
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


def _check_augmentation(settings: TrainVerb) -> None:
    train = settings.train
    for name, highest in HIGHEST.items():
        inside(f"train.augment.{name}", getattr(train.augment, name), 0.0, highest)
    at_least("train.crops", train.crops, 1)
    inside("train.rotation_weight", train.rotation_weight, 0.0, 100.0)
    if train.crops > 1 and not train.rotation_weight and not any(asdict(train.augment).values()):
        raise ConfigError(
            f"train.crops={train.crops} would repeat the same pixels, as nothing changes them: "
            f"give train.augment.crop=0.07, say"
        )


def _check_supervised(settings: TrainVerb) -> None:
    """Raise ConfigError for what supervised epochs alone do, where there are none."""
    train = settings.train
    asked = {
        "train.augment.mixup": train.augment.mixup,
        "train.augment.cutmix": train.augment.cutmix,
        "train.rotation_weight": train.rotation_weight,
        "train.crops": train.crops if train.crops > 1 else 0,
        "train.teacher": None if settings.resume is not None else train.teacher,
    }
    given = next((f"{key}={value}" for key, value in asked.items() if value), None)
    if given and not supervised_epochs(settings):
        raise ConfigError(
            f"{given} is of supervised epochs, and this run has none: give "
            f"train.supervised_epochs=1 or more, or take train=pretrain"
        )


def _check_compounds(settings: TrainVerb) -> None:
    """Raise ConfigError for a value out of range, and where there is nothing to train with them."""
    train, compounds = settings.train, settings.train.compounds
    inside("train.compounds.share", compounds.share, 0.0, 1.0)
    inside("train.compounds.weight", compounds.weight, 0.0, 100.0)
    inside("train.compounds.after", compounds.after, 0.0, 0.99)
    one_of("train.compounds.kind", compounds.kind, (*MIXED, "any"))
    if not compounds.share:
        return
    given = f"train.compounds.share={compounds.share}"
    if train.epochs == 0:
        raise ConfigError(f"{given}: nothing is trained with train.epochs=0: leave it out")
    if train.unit == "clip" and draws_episodes(settings):
        raise ConfigError(
            f"{given} mixes single pictures, and train.unit=clip draws episodes of clips: leave "
            f"one of them out"
        )
