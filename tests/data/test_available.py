"""Data sets that are not there: left out where the settings allow it, and never without a word."""

import logging
from pathlib import Path

import pytest

from fewshot_fer.config.hydra import compose
from fewshot_fer.config.read import read_settings
from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.data.available import with_available
from fewshot_fer.data.load import Source
from fewshot_fer.system.errors import ConfigError, NotThereError

UNION = ("dataset=union", "dataset.sets=[rafdb_basic,jaffe,csv,afew]", "dataset.skip_missing=true")
TESTS = ("test=[jaffe_5w1s,afew_4w5s]", "test.jaffe_5w1s.dataset.skip_missing=true")


def available(data: Path, *words: str) -> TrainVerb:
    return with_available(read_settings(compose("train", words), TrainVerb), Source(data, False))


def test_the_settings_name_what_is_there(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    """They are what a run stores: it must go on with the same sets, whatever is there by then."""
    settings = available(data, *UNION, *TESTS)
    assert settings.dataset.sets == ["rafdb_basic", "afew"]
    assert not settings.dataset.skip_missing
    assert list(settings.test) == ["afew_4w5s"]
    assert "test=jaffe_5w1s is left out: jaffe not found" in caplog.text
    with caplog.at_level(logging.WARNING):
        caplog.clear()
        again = with_available(settings, Source(data, demo=False))
    assert again == settings
    assert not caplog.text


def test_what_may_not_be_missing_is_an_error(data: Path, tmp_path: Path) -> None:
    """A test without the key is refused where it is set up; a union without any set, here."""
    assert "jaffe_5w1s" in available(data, "test=[jaffe_5w1s]").test
    with pytest.raises(NotThereError, match=r"none of the sets .* get rafdb_basic, jaffe, csv"):
        available(tmp_path, *UNION)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("dataset.skip_missing=true", "a run needs this data set"),
        ("dataset.sets=[afew]", "dataset.sets is of a union"),
        ("episodes.within=sets", "episodes.within=sets is not known"),
        ("mix.per_set=0", "mix.per_set=0 is too small"),
        ("eval.repeats=0", "eval.repeats=0 is too small"),
    ],
)
def test_settings_that_mean_nothing_are_refused(word: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read_settings(compose("train", [word]), TrainVerb)
