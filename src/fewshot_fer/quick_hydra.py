"""Two things that Hydra does anew each time and need not; what it gives stays the same."""

import sys
from typing import Any

from hydra.core.config_store import ConfigStore


def quicken_hydra() -> None:
    """Make every command start sooner: --help by two seconds, others by a quarter of one."""
    # Hydra copies its store of schemas for each group that --help lists, and once for each
    # composition. It copies what it loads from there anyway.
    setattr(ConfigStore, "__deepcopy__", lambda store, memo: store)  # noqa: B010
    _ask_for_the_mode_once()


def _ask_for_the_mode_once() -> None:
    """Spare the whole composition that Hydra makes first, to read hydra.mode: no file of conf/ says
    it, and without it `-m` decides. Where a word on the command line may say it, Hydra looks."""
    try:
        from hydra._internal.hydra import Hydra

        looked_up = Hydra.get_mode
    except (ImportError, AttributeError):  # a Hydra that has no such thing
        return
    if getattr(looked_up, "spares", False):
        return

    def get_mode(hydra: Hydra, *given: Any, **named: Any) -> Any:  # noqa: ANN401
        if any("hydra" in word or word.startswith(("-c", "--config")) for word in sys.argv[1:]):
            return looked_up(hydra, *given, **named)
        return None

    get_mode.spares = True  # type: ignore[attr-defined]
    Hydra.get_mode = get_mode  # type: ignore[method-assign,assignment]
