"""Names of classes and their spellings, the parts of compound classes, and published counts.

The ids are the official ones of RAF-DB's label files (1-based). They are written out, never derived
from sorted folder names, because both orders differ.
"""

import re
import unicodedata

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
BEYOND_RAFDB: tuple[str, ...] = ("fearfully disgusted", "happily fearful", "happily sad")
"""Compound classes that RAF-CE has and RAF-DB has not."""
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
_CANONICAL |= {
    spelling: name
    for name in (*COMPOUND, *BEYOND_RAFDB)
    for spelling in (name, name.replace(" ", ""))
}


def _part_of(word: str) -> str:
    return next(name for root, name in _ROOTS.items() if word.startswith(root))


COMPOUND_PARTS: dict[str, tuple[str, str]] = {
    name: (_part_of(name.split()[0]), _part_of(name.split()[1]))
    for name in (*COMPOUND, *BEYOND_RAFDB)
}
"""The two basic classes that each compound class is made of."""
_OF_PARTS = {frozenset(parts): name for name, parts in COMPOUND_PARTS.items()}
EXPRESSIONS: tuple[str, ...] = (*_SPELLINGS, "anxiety", "helplessness", "disappointment")
"""Single expressions that some data set has as a class: the last three are MAFW's."""

INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200e\u200f\u2060\ufeff\u00ad"))
"""Characters without width: editors and messengers leave them in names, nobody sees them."""
_LETTER = r"[^\s\d_+.,()\[\]-]"  # or an emoji: what is no digit, sign, bracket or blank
_SEPARATOR = re.compile(
    rf"(?<={_LETTER})[\s_-]+(?={_LETTER})|(?<={_LETTER})[\s_]+(?=\d)|(?<=\d)[\s_]+(?={_LETTER})"
)
SHORT = 4  # a name or spelling of as many letters is one letter from too many words


def plain_name(text: str) -> str:
    """Return a name of a class, group or clip as it is compared: NFC, blanks alone made even.

    Systems write one and the same letter in one character or in several (NFC, NFD). Blank space of
    any kind becomes one blank, none at the ends; characters without width go. Case, digits, signs
    and the width of letters stay.
    """
    return " ".join(unicodedata.normalize("NFC", text.translate(INVISIBLE)).split())


def canonical(spelling: str) -> str:
    """Return the canonical name of a class as some data set spells it.

    Case, repeated blanks, and underscores and hyphens between letters do not count. A name that is
    not known is a class of its own and comes back folded in the same way, so that folders of any
    labels work. Signs are part of a name: -1, 1, A-1 and A1 are four classes. Two expressions
    beside one another, in any order, are the compound class that is made of them.

    >>> canonical("Happily_Surprised"), canonical("Angry"), canonical("Bored"), canonical("-1")
    ('happily surprised', 'anger', 'bored', '-1')
    >>> canonical("surprise_sadness"), canonical("anger_anxiety")
    ('sadly surprised', 'anger anxiety')
    """
    # Letters that fold apart from their accents would not be found again: NFD first, NFC after.
    apart = unicodedata.normalize("NFD", plain_name(spelling))
    name = unicodedata.normalize("NFC", apart.casefold())
    words = name.replace("_", " ").replace("-", " ").split()
    known = _CANONICAL.get(" ".join(words))
    if known is None and len(words) == 2:
        known = _OF_PARTS.get(frozenset(_CANONICAL.get(word, word) for word in words))
    return known or _SEPARATOR.sub(" ", name)


def parts_of(name: str) -> tuple[str, ...]:
    """Return the single expressions that a canonical class is made of, itself alone if it is one.

    >>> parts_of("sadly surprised"), parts_of("anger anxiety"), parts_of("bored")
    (('sadness', 'surprise'), ('anger', 'anxiety'), ('bored',))
    """
    words = tuple(name.split())
    several = len(words) > 1 and all(word in EXPRESSIONS for word in words)
    return COMPOUND_PARTS.get(name, words if several else (name,))


def is_expression(spelling: str) -> bool:
    """Return whether a name is one of the expressions that are known here, however spelled."""
    return canonical(spelling) in _CANONICAL


def likely_misprint(name: str) -> str | None:
    """Return the known spelling that an unknown class name is one letter from, else None.

    One letter: too many, missing, another one, or two neighbours swapped. Short names do not count.
    """
    if name in _CANONICAL or len(name) < SHORT:
        return None
    known = (each for each in _CANONICAL if len(each) > SHORT)
    return next((each for each in known if _one_edit(name, each)), None)


def _one_edit(one: str, other: str) -> bool:
    """Return whether one edit turns a word into another one."""
    while one and other and one[0] == other[0]:
        one, other = one[1:], other[1:]
    while one and other and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    swapped = len(one) == 2 and one == other[::-1]
    return swapped or (len(one) <= 1 and len(other) <= 1)


def look_alike(name: str) -> str:
    """Return what two names share that differ in width, blanks, underscores or last dots only."""
    wide = unicodedata.normalize("NFKC", name).casefold().rstrip(".")
    return "".join(c for c in wide if unicodedata.category(c) != "Cf" and c not in " _")


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
