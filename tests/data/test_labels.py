"""Class names: what data sets call a class, and RAF-DB's official ids."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot_fer.data.labels import (
    BASIC,
    COMPOUND,
    COMPOUND_PARTS,
    RAFDB_BASIC_COUNTS,
    RAFDB_COMPOUND_COUNTS,
    basic_of_id,
    canonical,
    compound_of_id,
    likely_misprint,
    look_alike,
)
from fewshot_fer.system.errors import DataError


@pytest.mark.parametrize(
    ("name", "spellings"),
    [
        ("anger", "Angry angry anger AN ANGER"),
        ("disgust", "Disgust disgusted DI"),
        ("fear", "Fear fearful FE"),
        ("happiness", "Happy happy Happiness HA joy"),
        ("neutral", "Neutral NE"),
        ("sadness", "Sad sad Sadness SA"),
        ("surprise", "Surprise Surprised SU"),
        ("contempt", "Contempt contempt"),
        ("happily surprised", "Happily_Surprised happily-surprised HappilySurprised"),
        ("disgustedly surprised", "DISGUSTEDLY_SURPRISED Disgustedly__Surprised"),
    ],
)
def test_spellings(name: str, spellings: str) -> None:
    """Every spelling of the data sets that we read leads to one class, not to two."""
    assert {canonical(spelling) for spelling in spellings.split()} == {name}


def test_unknown_names_are_classes_of_their_own() -> None:
    """A folder of any labels works, and names that look like nothing to Python stay names."""
    assert [canonical(name) for name in ("Bored", "None", "NA", "007", "졸림")] == [
        "bored",
        "none",
        "na",
        "007",
        "졸림",
    ]


@given(st.text())
def test_canonical_is_settled_and_blind_to_case_and_blanks(spelling: str) -> None:
    """A name that was made canonical once does not change, nor does blank space around it count."""
    name = canonical(spelling)
    assert canonical(name) == name
    assert canonical(f" \u00a0{spelling}\t\u200b ") == name
    assert {canonical(unicodedata.normalize(form, spelling)) for form in ("NFC", "NFD")} == {name}


@given(st.sampled_from([*BASIC, *COMPOUND]), st.data())
def test_canonical_names_are_their_own_spelling(name: str, data: st.DataObject) -> None:
    """However the letters of a canonical name are cased and its words joined, it is that class."""
    cased = "".join(data.draw(st.sampled_from((c.upper(), c))) for c in name)
    joint = data.draw(st.sampled_from((" ", "_", "-", "  ", " - ")))
    assert canonical(cased.replace(" ", joint)) == name


def test_official_ids() -> None:
    """Ids are RAF-DB's own, 1-based and in its order: wrong ones would swap classes unseen."""
    assert [basic_of_id(number) for number in (1, 4, 7)] == ["surprise", "happiness", "neutral"]
    assert [compound_of_id(number) for number in (1, 5, 11)] == [
        "happily surprised",
        "sadly surprised",
        "disgustedly surprised",
    ]


@pytest.mark.parametrize("class_id", [0, -1, 8, 12, 10**12])
def test_ids_out_of_range(class_id: int) -> None:
    """An id that RAF-DB does not have is an error that says the id, never a neighbour's name."""
    with pytest.raises(DataError, match=f"label {class_id} "):
        basic_of_id(class_id)
    if not 1 <= class_id <= 11:
        with pytest.raises(DataError, match=r"1\.\.11"):
            compound_of_id(class_id)


def test_official_counts_and_parts() -> None:
    """The published totals, and a compound class's two basic parts, are as published."""
    assert {split: sum(of.values()) for split, of in RAFDB_BASIC_COUNTS.items()} == {
        "train": 12_271,
        "test": 3_068,
    }
    assert sum(RAFDB_COMPOUND_COUNTS.values()) == 3_954
    assert COMPOUND_PARTS["angrily disgusted"] == ("anger", "disgust")
    assert all(part in BASIC for parts in COMPOUND_PARTS.values() for part in parts)


@pytest.mark.parametrize("names", ["-1 1 +1 _1", "1-2 1_2 12 1.2", "A-1 A1 A+1", "01 1 1e0 1.0"])
def test_signs_and_digits_make_a_name(names: str) -> None:
    """Valence -1 and 1 are two classes: what is a number stays as it is written."""
    assert len({canonical(name) for name in names.split()}) == len(names.split())


def test_words_of_unknown_names_are_joined_as_those_of_known_ones() -> None:
    """Blanks, underscores and hyphens between letters are one and the same; digits may follow."""
    assert {canonical(name) for name in ("Half-Asleep", "half_asleep", "HALF  asleep")} == {
        "half asleep"
    }
    assert canonical("class_1") == canonical("Class 1") == "class 1"


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("suprise", "surprise"),
        ("surpirse", "surprise"),
        ("happines", "happiness"),
        ("hapy", "happy"),
        ("sadly angri", "sadly angry"),
        ("surprise", None),
        ("mad", None),
        ("bored", None),
        ("tear", None),
    ],
)
def test_misprints(name: str, known: str | None) -> None:
    """One letter from a known spelling; short words are near to too much."""
    assert likely_misprint(name) == known


def test_names_that_only_look_alike() -> None:
    """Full width letters, what has no width, last dots: told apart, and found."""
    for one, other in (
        ("bored", "\uff42ored"),
        ("bored", "bored."),
        ("a\u200db", "ab"),
        ("1", "_1"),
    ):
        assert canonical(one) != canonical(other)
        assert look_alike(canonical(one)) == look_alike(canonical(other))
    assert look_alike("-1") != look_alike("1")
    assert look_alike("1.5") != look_alike("15")
