"""Pictures that cannot be read, left out where the user says so, and listed."""

import csv
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from tqdm import tqdm

from fewshot_fer.config import TestVerb, TrainVerb
from fewshot_fer.cores import core_count
from fewshot_fer.data.cache import cache_folder
from fewshot_fer.data.decode import decode, most_pixels
from fewshot_fer.data.store import files_fingerprint
from fewshot_fer.errors import DataError, writing

if TYPE_CHECKING:
    from fewshot_fer.data.load import Source

log = logging.getLogger("fewshot_fer")
FILE = "bad_images.csv"


@dataclass
class Skipping:
    """Leaves bad images out of every table; found: path -> why, of all tables so far."""

    image_size: int
    found: dict[str, str] = field(default_factory=dict)

    def without_bad(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the rows whose pictures can be read. Raises DataError if there are none."""
        bad = _bad_images(table["path"].tolist(), self.image_size)
        if not bad:
            return table
        self.found |= bad
        path, why = next(iter(bad.items()))
        log.warning(
            "%d image(s) that cannot be read are left out, %s first: %s", len(bad), path, why
        )
        kept = table[~table["path"].isin(set(bad))].reset_index(drop=True)
        if kept.empty:
            raise DataError(f"not one of {len(table)} images can be read, {path} first: {why}")
        return kept


def skipping(asked: TrainVerb | TestVerb, trained: TrainVerb) -> Skipping | None:
    """Return what leaves bad images out, None where one is an error."""
    if asked.on_bad_image == "error":
        return None
    return Skipping(trained.backbone.side)


def _bad_images(paths: list[str], image_size: int) -> dict[str, str]:
    """Return path -> why for pictures that cannot be decoded; known from the cache a second time.

    A picture that is gone counts as bad too. Costs one decoding of all, once.
    """
    present = [path for path in paths if Path(path).is_file()]
    gone = {path: "no such file" for path in paths if not Path(path).is_file()}
    name = f"{files_fingerprint(present, image_size)}_{most_pixels()}.json"
    file = cache_folder() / "scans" / name
    known = _read(file)
    if known is None:
        known = {path: why for path, why in _scan(present, image_size) if why}
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(known), encoding="utf-8")
        except OSError as error:
            log.warning("what was found is not kept: cannot write %s (%s)", file, error.strerror)
    return gone | known


def _scan(paths: list[str], image_size: int) -> list[tuple[str, str]]:
    def why(path: str) -> str:
        try:
            decode(path, image_size)
        except DataError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(core_count()) as pool:
        bar = tqdm(
            pool.map(why, paths), total=len(paths), desc="trying images", disable=None, delay=2
        )
        return list(zip(paths, bar, strict=True))


def _read(file: Path) -> dict[str, str] | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or not all(isinstance(why, str) for why in content.values()):
        return None
    return content


def write_bad_images(run: Path, source: "Source") -> None:
    """List what was left out in the run's folder, in bad_images.csv; nothing where nothing was."""
    found = source.skipping.found if source.skipping else {}
    if not found:
        return
    with writing(run / FILE), (run / FILE).open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("path", "reason"))
        table.writerows(sorted(found.items()))


def warned_bad_images(source: "Source") -> list[str]:
    """Return what the column `warnings` of results.csv says of them."""
    found = source.skipping.found if source.skipping else {}
    return [f"bad_images:{len(found)}"] if found else []
