"""The files of conf/ by group, and what they compose to."""

from omegaconf import DictConfig

from fewshot_fer.config.hydra import compose
from fewshot_fer.config.names import conf_names


def files(group: str) -> list[str]:
    return conf_names(group)


def composed(verb: str, *overrides: str) -> DictConfig:
    return compose(verb, overrides)
