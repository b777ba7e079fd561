"""Which pictures and videos `images=` means."""

import glob
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from fewshot_fer.data.listing import IMAGE_ENDINGS, VIDEO_ENDINGS, contents, folders_in, images_in
from fewshot_fer.errors import ConfigError, DataError

VIDEOS = (*VIDEO_ENDINGS, ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".3gp")
READABLE = "pictures (.jpg, .png, ...) or videos (.avi, .mp4, ...)"


@dataclass(frozen=True)
class Inputs:
    """Files in the order in which they are answered: pictures first, then videos."""

    pictures: list[Path]
    videos: list[Path]

    def __len__(self) -> int:
        return len(self.pictures) + len(self.videos)


def find_inputs(named: list[str]) -> Inputs:
    """Return the files behind names of files, folders (with all below them) and globs.

    A file that is named itself is taken whatever its ending: it may turn out unreadable. A file
    that is named twice is answered once. Raises DataError where a name leads to nothing, and
    ConfigError where the extra for videos is missing.
    """
    files = [file for name in named for file in _files(name)]
    files = list(dict.fromkeys(files))
    videos = [file for file in files if file.suffix.lower() in VIDEOS]
    if videos and importlib.util.find_spec("av") is None:
        raise ConfigError(
            f"{videos[0]} is a video: reading those needs pip install 'fewshot_fer[video]'"
        )
    return Inputs([file for file in files if file.suffix.lower() not in VIDEOS], videos)


def _files(name: str) -> list[Path]:
    path = Path(name).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        return _files_below(path)
    if not glob.has_magic(name):
        nearest = next(p for p in (path.parent, *path.parent.parents) if p.exists())
        raise DataError(f"images={name}: no such file or folder; in {nearest}: {contents(nearest)}")
    found = sorted(map(Path, glob.glob(str(path), recursive=True)))  # noqa: PTH207 - absolute too
    if not found:
        raise DataError(f"images={name}: no file has a name like that")
    return [file for each in found for file in (_files_below(each) if each.is_dir() else [each])]


def _files_below(folder: Path) -> list[Path]:
    files = _walk(folder)
    if not files:
        raise DataError(f"images={folder}: no {READABLE} in it ({contents(folder)})")
    return files


def _walk(folder: Path) -> list[Path]:
    """Return what can be answered in a folder and below; a link to a folder is not followed."""
    files = images_in(folder, (*IMAGE_ENDINGS, *VIDEOS))
    below = [child for child in folders_in(folder) if not child.is_symlink()]
    return files + [file for child in below for file in _walk(child)]
