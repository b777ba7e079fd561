"""The files of conf/ by group, and what they compose to."""

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from fewshot_fer.config.hydra import conf_dir


def files(group: str) -> list[str]:
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


def composed(verb: str, *overrides: str) -> DictConfig:
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_dir())):
        return compose(verb, overrides=list(overrides))
