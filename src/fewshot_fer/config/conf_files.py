"""Find the configuration files, and the evaluations whose shape stands in their name.

conf/eval/afew.yaml alone makes afew_5w1s, afew_7w5s, afew_fixed50 and others known, and since it
says how many frames of a clip are taken, afew_clips_7w5s too. A file with such an ending is taken
in the place of what would be derived.
"""

import re
from functools import cache
from pathlib import Path

import yaml
from omegaconf import OmegaConf

from fewshot_fer.config.schema import DatasetConfig
from fewshot_fer.system.errors import ConfigError

SHAPED = re.compile(r"(.+?)_((?:clips_)?[0-9]+w[0-9]+s|fixed[0-9]+)")
WAYS, SHOTS, FIXED_SHOTS = (4, 5, 7), (1, 5), (5, 50)
Node = dict[str, object]


def conf_dir() -> Path:
    """Return the absolute folder of the configuration files.

    In a checkout that is conf/ at the top, in an installed wheel fewshot_fer/conf. Raises
    ConfigError when neither is there.
    """
    package = Path(__file__).resolve().parents[1]
    for candidate in (package / "conf", package.parents[1] / "conf"):
        if (candidate / "train.yaml").is_file():
            return candidate
    raise ConfigError(f"no conf/ folder beside {package}: install fewshot_fer again")


def conf_names(group: str) -> list[str]:
    """Return the names that `group=` takes from conf/, sorted; those of eval are test's too."""
    folder = conf_dir() / ("eval" if group == "test" else group)
    files = {path.stem for path in folder.glob("*.yaml")}
    return sorted(files | {*derived_evals()} if group in ("eval", "test") else files)


def dataset_settings(name: str) -> DatasetConfig:
    """Return a data set as its file in conf/dataset/ has it; all of an adapter without a file."""
    file = conf_dir() / "dataset" / f"{name}.yaml"
    if not file.is_file():
        return DatasetConfig(adapter=name)
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    settings = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(DatasetConfig), content))
    assert isinstance(settings, DatasetConfig)
    return settings


def shown_names(group: str) -> list[str]:
    """Return the names of a group for people: evaluations without those that are derived, and
    last what may be put behind their names."""
    if group not in ("eval", "test"):
        return conf_names(group)
    files = sorted(path.stem for path in (conf_dir() / "eval").glob("*.yaml"))
    return [*files, f"or NAME_{{{', '.join(_endings())}}} where it has as many classes"]


def evals_of(dataset: str) -> list[str]:
    """Return the evaluations of a data set: first that of its name, last those of one shape."""
    files = sorted((conf_dir() / "eval").glob("*.yaml"))
    chosen = {"/dataset@dataset": dataset}
    own = [
        file.stem
        for file in files
        if chosen in yaml.safe_load(file.read_text(encoding="utf-8")).get("defaults", ())
    ]
    return sorted(own, key=lambda name: (name != dataset, bool(SHAPED.fullmatch(name)), name))


@cache
def derived_evals() -> dict[str, Node]:
    """Return name -> Hydra's node for each evaluation that is derived from a file of conf/eval/.

    Ways: 4, 5, 7 and that of the file, which is the number of classes; never more than that.
    """
    folder = conf_dir() / "eval"
    files = {file.stem: file for file in sorted(folder.glob("*.yaml"))}
    derived: dict[str, Node] = {}
    for base in (name for name in files if not SHAPED.fullmatch(name)):
        content = yaml.safe_load(files[base].read_text(encoding="utf-8"))
        # All of the file, as Hydra cannot take one choice of a group from within another one.
        derived |= {f"{base}_{end}": content | own for end, own in _shapes(content)}
    return {name: node for name, node in derived.items() if name not in files}


def _endings() -> list[str]:
    """Return the endings of all derived names: by ways and shots, then those of fixed supports."""
    endings = {found[2] for found in map(SHAPED.fullmatch, derived_evals()) if found}
    return sorted(endings, key=lambda ending: (ending[0].isalpha(), len(ending), ending))


def _shapes(content: Node) -> list[tuple[str, Node]]:
    """Return the endings and settings of what is derived from a file of conf/eval/."""
    n_classes = int(str(content["n_way"]))
    ways = sorted({way for way in (*WAYS, n_classes) if way <= n_classes})
    episodes: list[tuple[str, Node]] = [
        (f"{way}w{shot}s", {"n_way": way, "k_shot": shot}) for way in ways for shot in SHOTS
    ]
    fixed = {"kind": "fixed", "n_way": 0}
    shapes = episodes + [(f"fixed{shot}", {**fixed, "k_shot": shot}) for shot in FIXED_SHOTS]
    if "frames" in content:
        shapes += [(f"clips_{end}", {**own, "unit": "clip"}) for end, own in episodes]
    return shapes
