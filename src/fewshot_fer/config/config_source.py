"""What conf/ refers to and does not hold, as a source of configurations that Hydra looks into.

Hydra copies all that its ConfigStore holds for each command: a tenth of a second for the schemas of
all verbs and the evaluations that are derived. A source is asked for what a command names.
"""

from copy import deepcopy
from dataclasses import fields
from functools import cache

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import MISSING, DictConfig, OmegaConf

from fewshot_fer.config.conf_files import conf_names, derived_evals
from fewshot_fer.config.prepare_settings import PrepareVerb
from fewshot_fer.config.schema import CheckVerb, TestVerb, TrainVerb
from fewshot_fer.config.verb_settings import DemoAppVerb, ExportVerb, PredictVerb, ReportVerb

SCHEMAS: dict[str, type] = {
    "train": TrainVerb,
    "check": CheckVerb,
    "test": TestVerb,
    "predict": PredictVerb,
    "prepare": PrepareVerb,
    "report": ReportVerb,
    "export": ExportVerb,
    "demo_app": DemoAppVerb,
}
SCHEME = "fewshot-fer"


class MadeConfigs(ConfigSource):
    """The schemas <verb>_schema that conf/<verb>.yaml names first, the evaluations whose shape
    stands in their name, and the group `test`: what can be validated on can be tested on as
    test.NAME."""

    @staticmethod
    def scheme() -> str:
        """Return what the place of this source begins with."""
        return SCHEME

    def load_config(self, config_path: str) -> ConfigResult:
        """Return a configuration that is named, which Hydra may change."""
        group, _, name = _parts(config_path)
        node = _made(group, name)
        assert node is not None
        package = f"test.{name}" if group == "test" else None
        return ConfigResult(self.provider, self.full_path(), deepcopy(node), {"package": package})

    def available(self) -> bool:
        """Return that the source can be read."""
        return True

    def is_group(self, config_path: str) -> bool:
        """Return whether a path names a group."""
        return config_path.strip("/") in ("", "eval", "test")

    def is_config(self, config_path: str) -> bool:
        """Return whether a path names a configuration."""
        group, _, name = _parts(config_path)
        return _made(group, name) is not None

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return the names of a group that stand in files: those derived from them are too many to
        be shown."""
        if config_path.strip("/") != "test" or results_filter == ObjectType.GROUP:
            return []
        return sorted(set(conf_names("test")) - derived_evals().keys())


class MadeSearchPath(SearchPathPlugin):
    """Lets Hydra look there for what is in no file."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add the source behind conf/. In front of the provider `schema` Hydra puts --config-dir,
        whose files are so taken in the place of what is derived; those of hydra.searchpath, which
        it puts behind, are not."""
        search_path.append("schema", f"{SCHEME}://")


@cache
def register_source() -> None:
    """Make the source known to Hydra."""
    for plugin in (MadeConfigs, MadeSearchPath):
        Plugins.instance().register(plugin)


def _parts(config_path: str) -> tuple[str, str, str]:
    return config_path.strip("/").removesuffix(".yaml").rpartition("/")


@cache
def _made(group: str, name: str) -> DictConfig | None:
    """Return the configuration of a name, None where it is not made here."""
    if group == "" and name.removesuffix("_schema") in SCHEMAS and name.endswith("_schema"):
        return _schema(name.removesuffix("_schema"))
    if group in ("eval", "test") and name in derived_evals():
        return OmegaConf.create(derived_evals()[name])
    if group == "test" and name in conf_names("test"):
        return OmegaConf.create({"defaults": [{"/eval@_here_": name}]})
    return None


def _schema(verb: str) -> DictConfig:
    schema = OmegaConf.structured(SCHEMAS[verb])
    assert isinstance(schema, DictConfig)
    if verb == "check":  # merged over all that conf/train.yaml composes, which it leaves as it is
        for inherited in fields(TrainVerb):
            schema[inherited.name] = MISSING
    return schema
