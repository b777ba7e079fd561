"""Tables made from other tables."""

import logging

import pandas as pd

from fewshot_fer.data.table import validate_table
from fewshot_fer.errors import DataError
from fewshot_fer.labels import canonical

log = logging.getLogger("fewshot_fer")


def mixed(
    rafdb_basic: pd.DataFrame, afew: pd.DataFrame, clips: dict[str, list[str]]
) -> tuple[pd.DataFrame, list[str]]:
    """Return all of RAF-DB basic with the frames of the named AFEW training clips.

    clips: class -> 9-digit clip ids, the class as any data set spells it. Returns the table and the
    `class/id` of each clip that is not there: such clips are reported, never guessed, so an id of
    eight digits is not padded. Raises DataError if none of them is there.
    """
    train = afew[afew["split"] == "train"]
    ids = train["clip"].str.rsplit("/", n=1).str[-1]
    chosen = pd.Series(False, index=train.index)
    missing = []
    for spelling, wanted in clips.items():
        of_class = train["label"] == canonical(spelling)
        for clip in wanted:
            found = of_class & (ids == str(clip).strip())
            chosen |= found
            if not found.any():
                missing.append(f"{spelling}/{clip}")
    if missing:
        log.warning("mixed: no AFEW training clip matches %s", ", ".join(missing))
    if not chosen.any():
        raise DataError(f"none of the AFEW clips of the mixed set is there: {', '.join(missing)}")
    table = pd.concat([rafdb_basic, train[chosen]], ignore_index=True)
    validate_table(table)
    return table, missing
