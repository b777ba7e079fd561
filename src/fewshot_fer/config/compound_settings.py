"""Checks of the settings of synthetic compounds in training."""

from fewshot_fer.config.names import inside, one_of
from fewshot_fer.config.schema import TrainVerb, draws_episodes
from fewshot_fer.config.train_schema import MIXED
from fewshot_fer.system.errors import ConfigError


def check_compounds(settings: TrainVerb) -> None:
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
