"""The presets of the study compose to the published recipe."""

import re
import shutil
from functools import cache
from pathlib import Path

import hydra
import pytest

from fewshot_fer.config.conf_files import conf_dir, conf_names
from fewshot_fer.config.hydra import compose, register
from fewshot_fer.config.read import read_settings
from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.config.train_schema import TrainConfig

STUDY = [name for name in conf_names("experiment") if name.startswith("study_")]


@cache
def recipe(name: str) -> TrainConfig:
    return read_settings(compose("train", [f"train={name}"]), TrainVerb).train


@pytest.mark.parametrize("default", conf_names("train"))
def test_the_study_stays_classic_whatever_the_default_is(default: str, tmp_path: Path) -> None:
    """Its presets take nothing from the recipe that train.yaml takes by default."""
    conf = tmp_path / "conf"
    shutil.copytree(conf_dir(), conf)
    register()
    main = conf / "train.yaml"
    text, count = re.subn(r"- train: \w+", f"- train: {default}", main.read_text())
    assert count == 1
    main.write_text(text)
    for name in STUDY:
        with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf)):
            settings = read_settings(
                hydra.compose("train", overrides=[f"experiment={name}"]), TrainVerb
            )
        is_fifth = name.startswith("study_5")
        assert settings.train == recipe("supervised" if is_fifth else "classic"), name
        method = "classifier" if is_fifth else "protonet"
        assert (settings.method.name, settings.method.normalise) == (method, "none"), name
        assert settings.mix.per_class == (3000 if name.startswith("study_7") else None)
        assert settings.backbone.name == ("resnet50" if is_fifth else "conv4")
