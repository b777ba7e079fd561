"""Few-shot facial-expression experiments in PyTorch: a command line, a library and a page.

>>> import fewshot_fer as ff
>>> ff.starter().class_names[:2]
('neutral', 'happiness')

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
    from fewshot_fer.api.output import CheckOutput, Output
    from fewshot_fer.api.parts import encoder, group_interval, mean_interval, method, methods
    from fewshot_fer.api.results import plot_shots, results
    from fewshot_fer.api.run import Run, load_run, starter
    from fewshot_fer.api.scores import Scores
    from fewshot_fer.api.training import test, train
    from fewshot_fer.api.verbs import check, demo_app, export, predict, prepare, report
    from fewshot_fer.api.words import settings
    from fewshot_fer.episodes.sampler import Episodes
    from fewshot_fer.inference.page.server import Page
    from fewshot_fer.system.errors import UserError

_MODULES = {
    "CheckOutput": "api.output",
    "EpisodeSampler": "api.faces",
    "Episodes": "episodes.sampler",
    "FaceDataset": "api.faces",
    "Output": "api.output",
    "Page": "inference.page.server",
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
    "settings": "api.words",
    "starter": "api.run",
}
_VERBS = ("check", "demo_app", "export", "predict", "prepare", "report", "test", "train")
"""Modules, for `python -m`, that can be called: they would take the places of functions."""
__all__ = [
    "CheckOutput",
    "EpisodeSampler",
    "Episodes",
    "FaceDataset",
    "Output",
    "Page",
    "Run",
    "Scores",
    "UserError",
    "check",
    "demo_app",
    "draw_episodes",
    "encoder",
    "export",
    "group_interval",
    "load_run",
    "mean_interval",
    "method",
    "methods",
    "plot_shots",
    "predict",
    "prepare",
    "read_csv",
    "read_dataset",
    "read_folder",
    "report",
    "results",
    "settings",
    "starter",
    "test",
    "train",
]


def __getattr__(name: str) -> object:
    if name in _VERBS:
        return importlib.import_module(f"fewshot_fer.{name}")
    if name not in _MODULES:
        raise AttributeError(f"fewshot_fer has no {name}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(f"fewshot_fer.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
