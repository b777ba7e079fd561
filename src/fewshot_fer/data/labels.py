"""Class names and their spellings, the parts of compound classes, and published counts.

The ids are the official ones of RAF-DB's label files (1-based). They are written out, never derived
from sorted folder names, because both orders differ.
"""

from fewshot_fer.system.errors import DataError

BASIC: tuple[str, ...] = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
"""RAF-DB's basic classes; the id of a class is its position plus one."""
COMPOUND: tuple[str, ...] = (
    "happily surprised",
    "happily disgusted",
    "sadly fearful",
    "sadly angry",
    "sadly surprised",
    "sadly disgusted",
    "fearfully angry",
    "fearfully surprised",
    "angrily surprised",
    "angrily disgusted",
    "disgustedly surprised",
)
"""RAF-DB's compound classes; the id of a class is its position plus one."""
RAFDB_BASIC_COUNTS: dict[str, dict[str, int]] = {
    "train": dict(zip(BASIC, (1290, 281, 717, 4772, 1982, 705, 2524), strict=True)),
    "test": dict(zip(BASIC, (329, 74, 160, 1185, 478, 162, 680), strict=True)),
}
RAFDB_COMPOUND_COUNTS: dict[str, int] = dict(
    zip(COMPOUND, (697, 266, 129, 163, 86, 738, 150, 560, 176, 841, 148), strict=True)
)
_AFEW = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
AFEW_CLIP_COUNTS: dict[str, dict[str, int]] = {
    "train": dict(zip(_AFEW, (133, 74, 81, 150, 144, 117, 74), strict=True)),
    "val": dict(zip(_AFEW, (64, 40, 46, 63, 63, 61, 46), strict=True)),
}
MIXED_COUNTS: dict[str, int] = dict(
    zip(BASIC, (1772, 514, 1023, 6105, 2599, 1007, 3339), strict=True)
)
"""The study's own counts of its mixed set, 16,359 images in all."""
_ROOTS = {
    "surpris": "surprise",
    "fear": "fear",
    "disgust": "disgust",
    "happ": "happiness",
    "sad": "sadness",
    "ang": "anger",
    "neutral": "neutral",
}
_SPELLINGS: dict[str, tuple[str, ...]] = {
    "anger": ("angry", "an"),
    "disgust": ("disgusted", "di"),
    "fear": ("fearful", "afraid", "fe"),
    "happiness": ("happy", "happily", "joy", "ha"),
    "neutral": ("ne",),
    "sadness": ("sad", "sa"),
    "surprise": ("surprised", "su"),
    "contempt": ("contemptuous",),
}
_CANONICAL = {spelling: name for name, others in _SPELLINGS.items() for spelling in (name, *others)}
_CANONICAL |= {spelling: name for name in COMPOUND for spelling in (name, name.replace(" ", ""))}


def _part_of(word: str) -> str:
    return next(name for root, name in _ROOTS.items() if word.startswith(root))


COMPOUND_PARTS: dict[str, tuple[str, str]] = {
    name: (_part_of(name.split()[0]), _part_of(name.split()[1])) for name in COMPOUND
}
"""The two basic classes that each compound class is made of."""


def canonical(spelling: str) -> str:
    """Return the canonical name of a class as some data set spells it.

    Case, underscores, hyphens and repeated blanks do not count. A name that is not known is a class
    of its own and comes back folded in the same way, so that folders of any labels work.

    >>> canonical("Happily_Surprised"), canonical("Angry"), canonical("Bored")
    ('happily surprised', 'anger', 'bored')
    """
    folded = " ".join(spelling.replace("_", " ").replace("-", " ").casefold().split())
    return _CANONICAL.get(folded, folded)


def basic_of_id(class_id: int) -> str:
    """Return the canonical name of RAF-DB basic id 1..7; raise DataError for any other."""
    return _of_id(class_id, BASIC, "RAF-DB basic")


def compound_of_id(class_id: int) -> str:
    """Return the canonical name of RAF-DB compound id 1..11; raise DataError for any other."""
    return _of_id(class_id, COMPOUND, "RAF-DB compound")


def _of_id(class_id: int, names: tuple[str, ...], what: str) -> str:
    if not 1 <= class_id <= len(names):
        raise DataError(f"label {class_id} is not one of the ids 1..{len(names)} of {what}")
    return names[class_id - 1]
