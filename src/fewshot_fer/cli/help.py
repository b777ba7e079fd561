"""The page that `--help` prints: what a verb does, what can be chosen, and every setting.

Hydra's own page copies all that is registered once for every group that it lists, which takes twice
the time. `--hydra-help` stays Hydra's.
"""

import textwrap
from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf, open_dict

from fewshot_fer.cli.sweep import FLAGS
from fewshot_fer.config.hydra import compose, conf_dir, conf_names

HELP = frozenset({"--help", "-h"})
WIDTH = 100
PLUGINS_LINE = "plugins=my_module imports a module that registers a method, adapter or encoder."


def help_page(verb: str, words: Sequence[str]) -> str:
    """Return the page for a verb, with the settings that it has under the words that were typed.

    Raises HydraException and OmegaConfBaseException for words that do not compose.
    """
    config = compose(verb, [word for word in words if word not in (*FLAGS, *HELP)], with_hydra=True)
    header, groups = str(config.hydra.help.header), _groups(config)
    with open_dict(config):
        del config["hydra"]
    sections = [header]
    if groups:
        sections.append("== What can be chosen (group=name) ==\n\n" + "\n".join(groups) + "\n")
    sections.append(f"== Settings (key.below=value) ==\n\n{OmegaConf.to_yaml(config)}")
    return "\n".join([*sections, PLUGINS_LINE, f"Files: {conf_dir()}"])


def _groups(config: DictConfig) -> list[str]:
    """Return a line for each group of conf/ that the verb takes, with its names."""
    taken = set(config.hydra.runtime.choices)
    if "test" in config:
        taken |= {"test", "sweep"}
    folders = sorted({"test", *(path.name for path in conf_dir().iterdir() if path.is_dir())})
    return [
        textwrap.fill(
            f"{group}: {', '.join(conf_names(group))}",
            WIDTH,
            subsequent_indent="    ",
            break_on_hyphens=False,
        )
        for group in folders
        if group in taken
    ]
