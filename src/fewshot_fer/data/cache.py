"""The folder for what can be made again: packed images and the embedded data set."""

import os
import sys
from pathlib import Path

VARIABLE = "FEWSHOT_FER_CACHE"


def cache_folder() -> Path:
    """Return $FEWSHOT_FER_CACHE or, without it, fewshot_fer in the user's cache folder.

    That is ~/Library/Caches on macOS, %LOCALAPPDATA% on Windows, else $XDG_CACHE_HOME or ~/.cache.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    if sys.platform == "darwin":
        base = Path.home() / "Library/Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "fewshot_fer"
