"""Plan a sweep from the words of a command: how many jobs, and in which folder.

The folder is named by a digest of what the sweep computes, so the same command finds it again and
goes on where the first one ended.
"""

import hashlib
import importlib.util
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from fewshot_fer.config.conf_files import conf_names
from fewshot_fer.config.hydra import compose, plain
from fewshot_fer.config.quoting import in_quotes
from fewshot_fer.system.errors import ConfigError

FLAGS = ("-m", "--multirun")
FURTHER = 100_000  # number of the first further job, where nobody knows how many come before
EXTRAS = {
    "joblib": ("sweep", "hydra_plugins.hydra_joblib_launcher"),
    "submitit_slurm": ("slurm", "hydra_plugins.hydra_submitit_launcher"),
    "submitit_local": ("slurm", "hydra_plugins.hydra_submitit_launcher"),
    "ray": ("ray", "hydra_plugins.hydra_ray_launcher"),
}
"""Launchers that are extras: what is installed for them, and how to tell that it is."""


@dataclass(frozen=True)
class Sweep:
    """A sweep that is about to start.

    folder: of all jobs; words: the command line that Hydra is to read; jobs: how many there are,
    None where only Hydra can count them; in_turn: one after the other, within this process.
    """

    folder: Path
    words: list[str]
    jobs: int | None
    in_turn: bool
    more: list[list[str]] = field(default_factory=list)  # command lines of further jobs, one each


def first_job(words: Sequence[str]) -> list[str]:
    """Return the words of a sweep's first job. Raises HydraException."""
    return [_lines(each)[0] for each in OverridesParser.create().parse_overrides(list(words))]


def plan_sweep(verb: str, words: Sequence[str], more: Sequence[str] = ()) -> Sweep | None:
    """Return the sweep that the words mean, None for a single run.

    more: the words of further jobs, whose settings are no part of the product.

    Words that Hydra refuses are left to it. Raises ConfigError where the launcher is not installed,
    and for a folder that a second start could not find.
    """
    if not any(word in FLAGS for word in words):
        return None
    overrides, others = _parsed([word for word in words if word not in FLAGS])
    _require_launcher(overrides)
    own = [each for each in overrides if not str(each.key_or_group).startswith("hydra")]
    jobs = _count(own)
    launchers = [str(each.value()) for each in overrides if each.key_or_group == "hydra/launcher"]
    in_turn = not launchers or launchers[-1] == "basic"
    if given := [each for each in overrides if each.key_or_group == "hydra.sweep.dir"]:
        sweep = Sweep(_given_folder(given[-1]), list(words), jobs, in_turn)
        return _with_further_jobs(sweep, more)
    outputs, content = _content(verb, own, others)
    identity = [verb, content]
    if more:
        further, _ = _parsed([word for word in more if word not in FLAGS])
        own = [each for each in further if not str(each.key_or_group).startswith("hydra")]
        identity.append(_content(verb, own, [])[1])
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:10]
    folder = Path(outputs) / "sweeps" / f"{verb}_{digest}"
    if launchers:
        folder = folder.absolute()  # jobs may start elsewhere
    place = f"hydra.sweep.dir={in_quotes(str(folder))}"
    sweep = Sweep(folder, [*words, place], jobs, in_turn)
    return _with_further_jobs(sweep, [*more, place] if more else [])


def _with_further_jobs(sweep: Sweep, words: Sequence[str]) -> Sweep:
    """Return a sweep with the jobs of these words behind its own, in folders that go on counting.

    Raises HydraException for words that do not say how many jobs they are.
    """
    if not words:
        return sweep
    first = FURTHER if sweep.jobs is None else sweep.jobs
    overrides = OverridesParser.create().parse_overrides([w for w in words if w not in FLAGS])
    by_key = {each.get_key_element(): _lines(each) for each in overrides}
    more = [
        ["-m", *job, f"hydra.sweep.subdir={number}"]
        for number, job in enumerate(product(*by_key.values()), start=first)
    ]
    return replace(sweep, more=more, jobs=None if sweep.jobs is None else first + len(more))


def count_jobs(words: Sequence[str]) -> int | None:
    """Return how many jobs a sweep of another verb has, which keeps no record of them; None where
    only Hydra can count them. Raises ConfigError where the launcher is not installed."""
    overrides, _ = _parsed([word for word in words if word not in FLAGS])
    _require_launcher(overrides)
    return _count([each for each in overrides if not str(each.key_or_group).startswith("hydra")])


def _parsed(words: Sequence[str]) -> tuple[list[Override], list[str]]:
    """Return the overrides, and the words that are none: further flags of Hydra, mistakes."""
    parser = OverridesParser.create()
    overrides, others = [], []
    for word in words:
        try:
            overrides += parser.parse_overrides([word])
        except HydraException:
            others.append(word)
    return overrides, others


def _given_folder(override: Override) -> Path:
    folder = str(override.value())
    if "${" in folder:
        raise ConfigError(
            f"hydra.sweep.dir={folder}: give the folder as it is, so that the same command finds "
            f"it again"
        )
    return Path(folder)


def _count(own: Sequence[Override]) -> int | None:
    """Return how many jobs these overrides lead to; the last one of a key counts."""
    try:
        return math.prod({each.get_key_element(): len(_lines(each)) for each in own}.values())
    except HydraException:  # a kind of sweep that takes more than the line
        return None


def _lines(override: Override) -> list[str]:
    """Return an override as its jobs have it, one line for each value."""
    if not override.is_sweep_override():
        return [str(override.input_line)]
    key = override.get_key_element()
    return [f"{key}={value}" for value in override.sweep_string_iterator()]


def _content(verb: str, own: Sequence[Override], others: Sequence[str]) -> tuple[str, list[object]]:
    """Return the folder for results, and the content that identifies a sweep.

    That is the configuration for each combination of the files that are swept over, since a file
    decides what other words mean, and the values that are swept; the words where none composes.
    """
    swept = [each for each in own if each.is_sweep_override()]
    values = [each for each in swept if not conf_names(str(each.key_or_group))]
    try:
        lines = [_lines(each)[:1] if each in values else _lines(each) for each in own]
        bases = [] if others else [plain(compose(verb, each)) for each in product(*lines)]
    except (HydraException, OmegaConfBaseException):
        bases = []
    words = [str(each.input_line) for each in own]
    if not bases:
        given = [str(each.value()) for each in own if each.key_or_group == "paths.outputs"]
        return given[-1] if given else "outputs", [*words, *others]
    outputs = [str(base["paths"].pop("outputs")) for base in bases]
    return outputs[0], [bases, [each.input_line for each in values]]


def _require_launcher(overrides: Sequence[Override]) -> None:
    """Raise ConfigError where an extra must be installed first: Hydra names a class it misses."""
    for each in overrides:
        if each.key_or_group != "hydra/launcher":
            continue
        extra, module = EXTRAS.get(str(each.value()), ("", ""))
        if extra and not _is_there(module):
            raise ConfigError(
                f"hydra/launcher={each.value()} needs an extra: "
                f'type pip install "fewshot_fer[{extra}]"'
            )


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # no plugin of Hydra at all
        return False
