"""What a configuration is without any change to it, composed from conf/."""

from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from fewshot_fer.cli import run_id
from fewshot_fer.config import conf_dir, register_schemas
from fewshot_fer.reports.page.run_files import Row, flatten


@dataclass(frozen=True)
class Composed:
    """settings: flat; choices: which file of conf/ was taken for each group."""

    settings: Row
    choices: dict[str, str]


@lru_cache(maxsize=128)
def composed(verb: str, overrides: tuple[str, ...] = ()) -> Composed | None:
    """Return conf/<verb>.yaml under overrides, None if they do not compose.

    One takes a fifth of a second; the jobs of a sweep share theirs.
    """
    register_schemas()
    OmegaConf.register_new_resolver("run_id", run_id, use_cache=True, replace=True)
    try:
        with _composer():
            config = hydra.compose(verb, overrides=list(overrides), return_hydra_config=True)
        choices = OmegaConf.to_container(config.hydra.runtime.choices)
        with open_dict(config):
            del config["hydra"]
        settings = OmegaConf.to_container(config, resolve=True)
    except (HydraException, OmegaConfBaseException):
        return None
    assert isinstance(settings, dict)
    assert isinstance(choices, dict)
    named = {str(group): str(name) for group, name in choices.items()}
    return Composed(flatten({str(key): value for key, value in settings.items()}), named)


def _composer() -> "nullcontext[None] | hydra.initialize_config_dir":
    """Return what `compose` needs around it: within a verb, Hydra is there already."""
    if GlobalHydra.instance().is_initialized():
        return nullcontext()
    return hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_dir()))
