"""Few-shot facial-expression experiments in PyTorch: a command line, a library and a page.

>>> import fewshot_fer as ff
>>> ff.starter().class_names[:2]
('surprise', 'fear')

What is listed in `__all__` is public: it stays, or goes after a warning of one release. All other
modules may change. Each name is imported when it is first used, since torch alone takes seconds.
"""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from fewshot_fer.api.faces import (
        EpisodeSampler,
        FaceDataset,
        draw_episodes,
        read_csv,
        read_dataset,
        read_folder,
    )
    from fewshot_fer.api.parts import encoder, group_interval, mean_interval, method, methods
    from fewshot_fer.api.results import plot_shots, results
    from fewshot_fer.api.run import Run, load_run, starter
    from fewshot_fer.api.scores import Scores
    from fewshot_fer.api.training import train
    from fewshot_fer.episodes.sampler import Episodes
    from fewshot_fer.system.errors import UserError

_MODULES = {
    "EpisodeSampler": "api.faces",
    "Episodes": "episodes.sampler",
    "FaceDataset": "api.faces",
    "Run": "api.run",
    "Scores": "api.scores",
    "UserError": "system.errors",
    "draw_episodes": "api.faces",
    "encoder": "api.parts",
    "group_interval": "api.parts",
    "load_run": "api.run",
    "mean_interval": "api.parts",
    "method": "api.parts",
    "methods": "api.parts",
    "plot_shots": "api.results",
    "read_csv": "api.faces",
    "read_dataset": "api.faces",
    "read_folder": "api.faces",
    "results": "api.results",
    "starter": "api.run",
    "train": "api.training",
}
__all__ = [
    "EpisodeSampler",
    "Episodes",
    "FaceDataset",
    "Run",
    "Scores",
    "UserError",
    "draw_episodes",
    "encoder",
    "group_interval",
    "load_run",
    "mean_interval",
    "method",
    "methods",
    "plot_shots",
    "read_csv",
    "read_dataset",
    "read_folder",
    "results",
    "starter",
    "train",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"fewshot_fer has no {name}; it has {', '.join(__all__)}")
    if name == "train":  # the verb's module, which can be called: it would take this place anyway
        return importlib.import_module("fewshot_fer.train")
    value = getattr(importlib.import_module(f"fewshot_fer.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
