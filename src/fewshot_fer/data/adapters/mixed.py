"""Read the study's mixed set: RAF-DB basic with the frames of some AFEW training clips."""

import logging
from pathlib import Path

import pandas as pd

from fewshot_fer.config.schema import DatasetConfig
from fewshot_fer.data.adapters.registry import find_adapter, register_adapter
from fewshot_fer.data.labels import MIXED_COUNTS, canonical, plain_name
from fewshot_fer.data.table import validate_table
from fewshot_fer.system.errors import ConfigError, DataError

log = logging.getLogger("fewshot_fer")


@register_adapter(
    "mixed",
    "RAF-DB and AFEW beside one another",
    counts={"all": MIXED_COUNTS},
    differs="how many frames a clip gives depends on how they were extracted",
)
def read_mixed(data: Path, settings: DatasetConfig) -> pd.DataFrame:
    """Return the FaceTable of RAF-DB basic and of the AFEW clips that `dataset.clips` names.

    data: the folder that holds RAF-DB and AFEW. Raises ConfigError where no clip is named.
    """
    if not settings.clips:
        raise ConfigError(
            "dataset.clips is empty: name AFEW clips by class, as conf/dataset/mixed.yaml"
        )
    basic, afew = (find_adapter(name).read(data, settings) for name in ("rafdb_basic", "afew"))
    return mix(basic, afew, settings.clips)[0]


def mix(
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
            found = of_class & (ids == plain_name(str(clip)))
            chosen |= found
            if not found.any():
                missing.append(f"{spelling}/{clip}")
    if missing:
        log.warning("mixed: no AFEW training clip matches %s", ", ".join(missing))
    if not chosen.any():
        raise DataError(f"none of the AFEW clips of the mixed set is there: {', '.join(missing)}")
    table = pd.concat([rafdb_basic, train[chosen]], ignore_index=True)
    validate_table(table)
    remarks = [remark for each in (rafdb_basic, afew) for remark in each.attrs.get("remarks", [])]
    table.attrs["remarks"] = remarks
    return table, missing
