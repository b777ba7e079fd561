"""Settings of a verb from the words of the command line, and where a call from Python writes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeVar, overload

from hydra.errors import HydraException
from omegaconf import open_dict
from omegaconf.errors import OmegaConfBaseException

from fewshot_fer.cli.messages import HELP, one_line
from fewshot_fer.cli.overrides import check_place, hydra_words, take_plugins
from fewshot_fer.cli.sweep import FLAGS
from fewshot_fer.config.config_source import SCHEMAS
from fewshot_fer.config.hydra import Job, choices_of, compose, run_id
from fewshot_fer.config.names import import_plugins
from fewshot_fer.config.prepare_settings import PrepareVerb
from fewshot_fer.config.read import CHECKS, read_settings
from fewshot_fer.config.schema import CheckVerb, TestVerb, TrainVerb
from fewshot_fer.config.verb_settings import DemoAppVerb, ExportVerb, PredictVerb, ReportVerb
from fewshot_fer.system.errors import ConfigError

Settings = TypeVar("Settings")


@overload
def settings(verb: Literal["train"], *words: str) -> TrainVerb: ...
@overload
def settings(verb: Literal["check"], *words: str) -> CheckVerb: ...
@overload
def settings(verb: Literal["test"], *words: str) -> TestVerb: ...
@overload
def settings(verb: Literal["predict"], *words: str) -> PredictVerb: ...
@overload
def settings(verb: Literal["prepare"], *words: str) -> PrepareVerb: ...
@overload
def settings(verb: Literal["report"], *words: str) -> ReportVerb: ...
@overload
def settings(verb: Literal["export"], *words: str) -> ExportVerb: ...
@overload
def settings(verb: Literal["demo_app"], *words: str) -> DemoAppVerb: ...
def settings(verb: str, *words: str) -> object:
    """Return the settings object of a verb, which can be changed and given to it.

    words: as typed behind the verb. Raises UserError for what cannot work.

    >>> tiny = settings("train", "experiment=demo", "train.epochs=2")
    >>> tiny.seed = 3
    >>> tiny.train.epochs, tiny.dataset.adapter
    (2, 'rafdb_basic')
    """
    if verb not in SCHEMAS:
        raise ConfigError(f"{verb} is not a verb; known: {', '.join(SCHEMAS)}")
    return _composed(verb, words)[0]


def read_words(
    verb: str, schema: type[Settings], words: Sequence[object], job: Job | None
) -> tuple[Settings, Job]:
    """Return the settings that words or one object give, and what they were composed from.

    job: of the command line, which has composed and checked its object. Raises ConfigError.
    """
    objects = [word for word in words if isinstance(word, schema)]
    if objects and len(words) > 1:
        raise ConfigError(f"{verb}: give words, or one settings object, not both")
    if objects and job is None:
        CHECKS[SCHEMAS[verb]](objects[0])
    if objects:
        return objects[0], job or Job()
    if other := next((word for word in words if not isinstance(word, str)), None):
        raise ConfigError(
            f"{verb}: {type(other).__name__} is given: give words as they are typed, "
            f"'key=value', or one {schema.__name__}"
        )
    composed, own = _composed(verb, [str(word) for word in words])
    assert isinstance(composed, schema)
    return composed, own


def new_folder(folder: str | Path | None, outputs: str, verb: str, *names: str | None) -> Path:
    """Return the folder to write to: that which is given, or a new one in outputs/<verb>/."""
    if folder is not None:
        return Path(folder).expanduser()
    return Path(outputs).expanduser() / verb / run_id(*(names or (verb,)))


def _composed(verb: str, words: Sequence[str]) -> tuple[object, Job]:
    """Return the settings that words compose, with the words and the files they took."""
    for word in words:
        if word in FLAGS or word.startswith(("sweep=", "hydra.mode=")):
            raise ConfigError(
                f"{verb}: a sweep is typed on the command line: call {verb}() for each run"
            )
        if word in HELP or word.startswith(("hydra.", "hydra/")):
            raise ConfigError(
                f"{verb}: {word} is for the command line; folder= says where to write"
            )
    check_place(list(words))
    typed, plugins = take_plugins(words)
    import_plugins(plugins)
    try:
        config = compose(verb, hydra_words(verb, typed), with_hydra=True)
        job = Job(tuple(config.hydra.overrides.task), choices_of(config.hydra))
        with open_dict(config):
            del config["hydra"]
        return read_settings(config, SCHEMAS[verb]), job
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(one_line(error)) from error
