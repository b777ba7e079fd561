"""Checks of how training images are changed, mixed and turned."""

from dataclasses import asdict

from fewshot_fer.config.names import at_least, inside
from fewshot_fer.config.schema import TrainVerb, supervised_epochs
from fewshot_fer.system.errors import ConfigError

HIGHEST = {
    **{"flip": 1.0, "crop": 0.5, "zoom": 0.9, "colour": 1.0},
    **{"rotate": 180.0, "erase": 1.0, "mixup": 100.0, "cutmix": 100.0},
}


def check_augmentation(settings: TrainVerb) -> None:
    """Raise ConfigError naming the key and the fix."""
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
    _check_supervised(settings)


def _check_supervised(settings: TrainVerb) -> None:
    """Raise ConfigError for what supervised epochs alone do, where there are none."""
    train = settings.train
    asked = {
        "train.augment.mixup": train.augment.mixup,
        "train.augment.cutmix": train.augment.cutmix,
        "train.rotation_weight": train.rotation_weight,
        "train.crops": train.crops if train.crops > 1 else 0,
    }
    given = next((f"{key}={value}" for key, value in asked.items() if value), None)
    if given and not supervised_epochs(settings):
        raise ConfigError(
            f"{given} is of supervised epochs, and this run has none: give "
            f"train.supervised_epochs=1 or more, or take train=pretrain"
        )
