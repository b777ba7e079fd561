"""Import modules of the user that register a method, an adapter or an encoder: `plugins=my_module`.

They are named on the command line alone. A configuration that a run has stored may be a stranger's,
so nothing in it is ever imported: it holds the names of what it needs, and no module.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from fewshot_fer.system.errors import ConfigError, UserError

KEY = "plugins="
PLUGINS = "FEWSHOT_FER_PLUGINS"
"""Of the environment, written here for processes that a run starts, and never read from outside."""


def take_plugins(words: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Return the words without `plugins=a,b`, and what it names: modules, or paths of files."""
    named = [word.removeprefix(KEY) for word in words if word.startswith(KEY)]
    names = [name.strip(" '\"") for value in named for name in value.strip("[]").split(",")]
    found = (str(Path(name).expanduser().absolute()) if _is_file(name) else name for name in names)
    kept = [word for word in words if not word.startswith(KEY)]
    return kept, tuple(name for name in found if name not in ("", "null"))


def import_plugins(names: Sequence[str]) -> None:
    """Import modules by their names, or by the paths of their files.

    A name is also looked for in the working folder. Raises ConfigError for one that cannot be
    imported, with the reason.
    """
    os.environ[PLUGINS] = ",".join(names)
    for name in names:
        file = Path(name) if _is_file(name) else None
        folder = str(file.parent if file else Path.cwd())
        if folder not in sys.path:
            sys.path.append(folder)
        try:
            module = importlib.import_module(file.stem if file else name)
        except UserError:
            raise
        except Exception as error:  # whatever a module of somebody else raises
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise ConfigError(f"plugins={name} cannot be imported: {reason}") from error
        if file and Path(module.__file__ or "") != file:
            raise ConfigError(f"plugins={name}: {module.__file__} has the same name: rename it")


def import_inherited_plugins() -> None:
    """Import, in a process that a run has started, what `import_plugins` was given before."""
    import_plugins([name for name in os.environ.get(PLUGINS, "").split(",") if name])


def _is_file(name: str) -> bool:
    return name.endswith(".py")
