"""Names that look like numbers or words of YAML, typed on a command line or kept in config.yaml."""

from dataclasses import asdict
from pathlib import Path

import pytest
from fabricated import settings_of
from omegaconf import OmegaConf

from fewshot_fer.cli.overrides import hydra_words
from fewshot_fer.config.hydra import compose
from fewshot_fer.runs.config_file import read_run_settings
from fewshot_fer.runs.folder import RunFolder
from fewshot_fer.runs.read import read_config

NAMES = (
    *("01", "1", "1.0", "1e3", "1_000", "0x1F", "inf", "-0", "nan", "null", "~", "true", "no"),
    *("2020-01-01", "1:30", "=1+1", 'a, "b"', "{a: b}", "#x", "${seed}", "행복"),
)


@pytest.mark.parametrize(
    ("verb", "word", "key"),
    [
        ("train", "+method.parts.odd=[1e3, true,007,1_0,null]", "method.parts.odd"),
        ("train", "dataset.clips.anger=[1e3,true,007,1_0,null]", "dataset.clips.anger"),
        ("predict", "classes=1e3,true,007,1_0,null", "classes"),
        ("predict", "classes=[1e3,true,007,1_0,null]", "classes"),
    ],
)
def test_typed_names(verb: str, word: str, key: str) -> None:
    """Hydra would make 1000.0, True, 10 and nothing of them."""
    first = ["dataset=mixed", "method=composed"] if verb == "train" else ["run=x", "images=y"]
    found = OmegaConf.select(compose(verb, hydra_words(verb, [*first, word])), key)
    assert found == ["1e3", "true", "007", "1_0", "null"]


def test_a_configuration_that_is_read_again(tmp_path: Path) -> None:
    """What config.yaml holds as text comes back as that text."""
    settings = settings_of("dataset=csv", "dataset.file=x", "method=composed")
    settings.method.parts = {name: [name, "fear"] for name in NAMES}
    RunFolder(tmp_path).write_config(asdict(settings))
    assert read_run_settings(tmp_path).method.parts == settings.method.parts
    assert read_config(tmp_path / "config.yaml")["method"]["parts"] == settings.method.parts
