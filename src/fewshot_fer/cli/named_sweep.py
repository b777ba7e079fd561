"""The words that a named sweep, a file in conf/sweep/, stands for.

Most are keys and values as they are typed. Three are derived: `found` are the data sets that lie
under paths.data (or in the drawn set), or episodes of each of them; `eval: own` validates on the
training set; and what stands below `also` are the words of one more job, beside the product.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from omegaconf import OmegaConf

from fewshot_fer.cli.messages import HELP
from fewshot_fer.cli.sweep import first_job
from fewshot_fer.config.conf_files import conf_dir, conf_names
from fewshot_fer.config.hydra import compose
from fewshot_fer.config.schema import DemoConfig, PathsConfig
from fewshot_fer.system.errors import ConfigError

FOUND, OWN, ALSO = "found", "own", "also"
PLACES = {"root", "file", "clips", "sets"}
"""Keys in conf/dataset/ of data that are no set of their own under paths.data."""
PLACING = ("paths", "demo", "experiment")  # keys of words that say where data lie
OF_TRAINING = ("train", "check")  # verbs
OWN_EVAL = ("eval=compound_4w5s", "eval.k_shot=1", "eval.dataset=${dataset}", "eval.name=own")
"""Episodes that the least of classes can give, of the images that are learnt from."""
Content = dict[str, Any]


def sweep_file(words: Sequence[str]) -> Content:
    """Return the content of the file that `sweep=` names, nothing where it names none.

    Raises ConfigError for a name without a file.
    """
    named = [word.removeprefix("sweep=") for word in words if word.startswith("sweep=")]
    if not named or named[-1] in ("", "null"):
        return {}
    names = conf_names("sweep")
    if named[-1] not in names:
        raise ConfigError(f"sweep={named[-1]} is not known: choose one of {', '.join(names)}")
    file = conf_dir() / "sweep" / f"{named[-1]}.yaml"
    content: Content = yaml.safe_load(file.read_text(encoding="utf-8"))
    return content


def sweep_words(content: Content, words: Sequence[str], verb: str) -> list[str]:
    """Return the words of a named sweep whose keys are not among those of the command line.

    Raises ConfigError where no data set is found, and for a verb that learns from none.
    """
    given = {_key(word) for word in words}
    wanted = {key: v for key, v in content.items() if key != ALSO and key not in given}
    sets: list[str] = []
    if FOUND in wanted.values():
        if verb not in OF_TRAINING:
            raise ConfigError(f"this sweep is one of train: python -m fewshot_fer.{verb} has none")
        if HELP.intersection(words):
            wanted = {key: value for key, value in wanted.items() if value != FOUND}
        else:
            sets = look_for_sets(words)
    added = []
    for key, value in wanted.items():
        if value == FOUND:
            found = f"[{','.join(tests_of(sets))}]" if key == "test" else ",".join(sets)
            added.append(f"{key}={found}")
        else:
            words_of_key = OWN_EVAL if value == OWN else (_word(key, value),)
            added += [word for word in words_of_key if _key(word) not in given]
    return added


def tests_as_list(content: Content, words: Sequence[str]) -> list[str]:
    """Return the words with test=a,b as one list, where the sweep tests each run on several."""
    if content.get("test") != FOUND:
        return list(words)
    return [
        f"test=[{word.removeprefix('test=')}]" if word.startswith("test=") and "[" not in word
        else word
        for word in words
    ]  # fmt: skip


def more_words(typed: Sequence[str], words: Sequence[str]) -> list[str]:
    """Return the words of the job that a named sweep has beside the product, none without one.

    typed: as on the command line; words: what became of them. Of those the ones remain that belong
    to no group which `also` sets, and the first data set.
    """
    also: Mapping[str, Any] = sweep_file(typed).get(ALSO, {})
    groups = {key.split(".")[0] for key in also}
    kept = [word for word in words if _key(word).split(".")[0] not in groups]
    kept = [first_job([word])[0] if _key(word) == "dataset" else word for word in kept]
    return [*kept, *(_word(key, value) for key, value in also.items())] if also else []


def look_for_sets(words: Sequence[str]) -> list[str]:
    """Return the names in conf/dataset/ of the data sets that lie where these words say.

    Raises ConfigError where there is none.
    """
    where = [word for word in words if _key(word).split(".")[0] in PLACING]
    config = compose("train", first_job(where))
    paths, demo = OmegaConf.to_container(config.paths), OmegaConf.to_container(config.demo)
    # Import pandas late: a sweep that names its data sets need not find them.
    from fewshot_fer.data.found import found_sets
    from fewshot_fer.data.load import find_source

    source = find_source(PathsConfig(**paths), DemoConfig(**demo))  # type: ignore[arg-type]
    files = {name: conf_dir() / "dataset" / f"{name}.yaml" for name in conf_names("dataset")}
    contents = {name: yaml.safe_load(file.read_text("utf-8")) for name, file in files.items()}
    # A file that is called after no adapter is a choice of another one's images.
    names = [n for n, own in contents.items() if own["adapter"] == n and not PLACES & set(own)]
    found = found_sets(source, names)
    if not found:
        raise ConfigError(
            f"none of {', '.join(names)} is found in {source.folder}: set paths.data=/where/the/"
            f"data/lie, run with paths=demo, or name the sets, as in dataset=a,b test=[a_5w5s]"
        )
    return found


def tests_of(sets: Sequence[str]) -> list[str]:
    """Return for each data set the test of 5-way 5-shot episodes or, without it, one of the nearest
    shape.

    A data set that has none is left out.
    """
    known = conf_names("test")
    found = {name: f"{name}_5w5s" for name in sets if f"{name}_5w5s" in known}
    for candidates in ([test for test in known if test.endswith("_5w5s")], known):
        if missing := [name for name in sets if name not in found]:
            found |= _nearest_tests(missing, candidates)
    return [found[name] for name in sets if name in found]


def _nearest_tests(sets: Sequence[str], candidates: Sequence[str]) -> dict[str, str]:
    """Return data set -> that of its tests in episodes which comes nearest to 5-way 5-shot."""
    tests = compose("train", [f"test=[{','.join(candidates)}]"]).test
    own = [test for test in candidates if tests[test].kind == "episodes"]
    own.sort(key=lambda test: (abs(tests[test].n_way - 5), abs(tests[test].k_shot - 5)))
    by_set = {tests[test].dataset.adapter: test for test in reversed(own)}
    return {name: by_set[name] for name in sets if name in by_set}


def _key(word: str) -> str:
    return word.lstrip("+~").split("=", 1)[0]


def _word(key: str, value: object) -> str:
    text = "null" if value is None else str(value).lower() if value is True else str(value)
    return f"{key}={text}"
