"""Turn a composed configuration into the dataclass of its verb; refuse what cannot work.

Hydra refuses unknown keys and wrong types on the command line by the same dataclass; here they are
refused in `+typo=1` and in the files of runs. Ranges and contradictions, which a dataclass cannot
say, are checked too, by the functions in CHECKS.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fewshot_fer.config.check_train import check_test, check_train
from fewshot_fer.config.prepare_settings import PrepareVerb, check_prepare
from fewshot_fer.config.schema import CheckVerb, EvalConfig, TestVerb, TrainVerb
from fewshot_fer.config.verb_settings import (
    DemoAppVerb,
    ExportVerb,
    PredictVerb,
    ReportVerb,
    check_demo_app,
    check_export,
    check_predict,
    check_report,
)
from fewshot_fer.system.errors import ConfigError

Settings = TypeVar("Settings")


def read_settings(config: DictConfig, schema: type[Settings]) -> Settings:
    """Return the configuration as `schema`, the dataclass of a verb.

    Raises ConfigError, one line that names the key and the fix, for a key that the schema lacks,
    for values that are missing, of another type or out of range, and for contradictions.
    """
    content = OmegaConf.to_container(config)
    assert isinstance(content, dict)
    if unknown := next(_unknown_keys(content, schema, ""), None):
        raise ConfigError(unknown)
    try:
        if missing := sorted(OmegaConf.missing_keys(config)):
            example = "outputs/train/..." if missing[0] == "run" else "..."
            raise ConfigError(f"{missing[0]} has no value: give it as {missing[0]}={example}")
        settings = OmegaConf.to_object(config)
    except OmegaConfBaseException as error:
        raise ConfigError(" ".join(str(error).split())) from error
    assert isinstance(settings, schema)
    if wrong := next(_not_as_written(settings, ""), None):
        raise ConfigError(wrong)
    CHECKS[schema](settings)
    return settings


def _unknown_keys(content: Mapping[Any, Any], schema: type, prefix: str) -> Iterator[str]:
    """Yield a line for each key that the schema lacks, with the nearest one that it has."""
    known = get_type_hints(schema)
    for name, value in ((str(name), value) for name, value in content.items()):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"known: {', '.join(known)}"
            yield f"{prefix}{name} is not a setting; {hint}"
        elif isinstance(value, dict) and is_dataclass(known[name]):
            yield from _unknown_keys(value, known[name], f"{prefix}{name}.")
        elif isinstance(value, dict) and get_args(known[name])[1:] == (EvalConfig,):
            for test, inner in value.items():
                if isinstance(inner, dict):
                    yield from _unknown_keys(inner, EvalConfig, f"{prefix}{name}.{test}.")


def _not_as_written(settings: Any, prefix: str) -> Iterator[str]:  # noqa: ANN401
    """Yield a line for each list or mapping that is neither: OmegaConf lets an interpolation be of
    any type there."""
    kinds = get_type_hints(type(settings))
    for name in (each.name for each in fields(settings)):
        value, kind = getattr(settings, name), get_origin(kinds[name])
        if kind in (list, dict) and not isinstance(value, kind):
            expected = "[a,b]" if kind is list else "{a: b}"
            yield f"{prefix}{name}={value}: expected {expected}"
        for key, inner in value.items() if isinstance(value, dict) else [("", value)]:
            if is_dataclass(inner):
                yield from _not_as_written(inner, f"{prefix}{name}{key and f'.{key}'}.")


CHECKS: dict[type, Callable[[Any], None]] = {
    TrainVerb: check_train,
    CheckVerb: check_train,
    TestVerb: check_test,
    PredictVerb: check_predict,
    PrepareVerb: check_prepare,
    ReportVerb: check_report,
    ExportVerb: check_export,
    DemoAppVerb: check_demo_app,
}
"""What a schema cannot say: ranges, and settings that contradict each other."""
