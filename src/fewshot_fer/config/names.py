"""Names that settings may give, and checks of single values.

Every adapter, for one, has a file in conf/dataset/ that is called after it. So a wrong name is
refused before anything of the data or of torch is imported. Modules of the user that register a
method, an adapter or an encoder are named on the command line alone, as `plugins=my_module`: a
configuration that a run has stored may be a stranger's, so nothing that it names is ever imported.
"""

import importlib
import json
import math
import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from fewshot_fer.config.conf_files import conf_names
from fewshot_fer.system.errors import ConfigError, UnknownNameError, UserError

PLUGINS = "FEWSHOT_FER_PLUGINS"
"""Of the environment, written here for processes that a run starts, and never read from outside."""

_REGISTERED: dict[str, set[str]] = defaultdict(set)


def register_name(group: str, name: str) -> None:
    """Make a name known that has no file in conf/<group>/: one of a user's own module."""
    _REGISTERED[group].add(name)


def require_name(key: str, name: str, group: str) -> None:
    """Raise UnknownNameError where `key=name` is neither a file of a group nor registered."""
    if name not in (known := sorted({*conf_names(group), *_REGISTERED[group]})):
        raise UnknownNameError(
            f"{key}={name} is not known: choose one of {', '.join(known)}; or give "
            f"plugins=my_module, a module of your own that registers it",
            f"{key}={name}",
        )


def import_plugins(names: Sequence[str]) -> None:
    """Import modules by their names, or by the paths of their files, which end in .py.

    A name is also looked for in the working folder. Raises ConfigError for one that cannot be
    imported, with the reason.
    """
    os.environ[PLUGINS] = json.dumps(names)
    for name in names:
        file = Path(name) if name.endswith(".py") else None
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
    import_plugins(imported_plugins())


def imported_plugins() -> list[str]:
    """Return what `import_plugins` was given last, here or in the process that started this one."""
    return [str(name) for name in json.loads(os.environ.get(PLUGINS) or "[]")]


def plugin_files() -> list[Path]:
    """Return the files of the modules that `import_plugins` was given last; of a package its
    `__init__.py` alone."""
    given = imported_plugins()
    names = [Path(name).stem if name.endswith(".py") else name for name in given]
    modules = [sys.modules[name] for name in names if name in sys.modules]
    return [Path(module.__file__) for module in modules if module.__file__]


def at_least(key: str, value: int, low: int) -> None:
    """Raise ConfigError if a value is below `low`."""
    if value < low:
        raise ConfigError(f"{key}={value} is too small: it must be {low} or more")


def inside(key: str, value: float, low: float, high: float, above_low: bool = False) -> None:
    """Raise ConfigError if a value is not from `low` to `high`; with above_low not at `low`."""
    if not math.isfinite(value) or not low <= value <= high or (above_low and value == low):
        edge = "above" if above_low else "from"
        raise ConfigError(f"{key}={value} is out of range: it must be {edge} {low} to {high}")


def one_of(key: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ConfigError if a value is none of the choices."""
    if value not in choices:
        raise ConfigError(f"{key}={value} is not known: choose one of {', '.join(choices)}")


def a_device(value: str) -> None:
    """Raise ConfigError if `device=` names none that computes here."""
    one_of("device", value, ("auto", "cpu", "cuda"))


def no_empty_name(key: str, names: list[str], what: str) -> None:
    """Raise ConfigError if one of several names is empty: `images=a.jpg,,b.jpg`."""
    if not all(name.strip() for name in names):
        raise ConfigError(f"{key} names {what} with no name: is there a comma too many?")
