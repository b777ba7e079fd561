"""Compose the default settings of train and test from conf/, as a report compares runs with."""

from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from fewshot_fer.config.hydra import conf_dir, register_schemas, run_id
from fewshot_fer.runs.read import Row, flatten


@dataclass(frozen=True)
class Composed:
    """A composed configuration. settings: flat; choices: the file of conf/ for each group."""

    settings: Row
    choices: dict[str, str]


@lru_cache(maxsize=512)
def composed(verb: str, overrides: tuple[str, ...] = ()) -> Composed | None:
    """Return conf/<verb>.yaml under overrides, None if they do not compose.

    One takes a quarter of a second; those of the same words share it.
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


@lru_cache(maxsize=512)
def defaults(verb: str, groups: tuple[str, ...], tests: tuple[str, ...]) -> Row | None:
    """Return the flat settings of conf/<verb>.yaml with these groups and tests, None if in vain.

    Without an experiment each group and each test changes settings of its own, so they are composed
    one by one and laid over the defaults: a sweep over five encoders and ten evaluations costs
    fifteen compositions, not fifty. An experiment has the last word in all of them. What comes back
    is shared by those of the same words, and not to be written to.
    """
    always = ("run=x",) if verb == "test" else ()
    if any(word.startswith("experiment=") for word in groups):
        whole = composed(verb, (*always, *groups, f"test=[{','.join(tests)}]"))
        return None if whole is None else whole.settings
    base = composed(verb, always)
    if base is None:
        return None
    settings = dict(base.settings)
    for word in [*groups, *(f"test=[{test}]" for test in tests)]:
        one = composed(verb, (*always, word))
        if one is None:
            return None
        for key in base.settings.keys() - one.settings.keys():
            settings.pop(key, None)
        new = one.settings.items()
        settings |= {key: value for key, value in new if base.settings.get(key, ...) != value}
    return settings


def _composer() -> "nullcontext[None] | hydra.initialize_config_dir":
    """Return the context that `compose` needs: within a verb, Hydra is initialized already."""
    if GlobalHydra.instance().is_initialized():
        return nullcontext()
    return hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_dir()))
