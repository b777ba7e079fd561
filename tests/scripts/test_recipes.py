"""The recipes that scripts/recipes.py compares are ones that the tool takes."""

from pathlib import Path

import pytest
import yaml

from fewshot_fer.config.hydra import compose
from fewshot_fer.config.read import read_settings
from fewshot_fer.config.schema import TrainVerb

FILE = Path(__file__).resolve().parents[2] / "scripts/recipes.yaml"
PARTS = yaml.safe_load(FILE.read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_every_variant_composes_and_is_another_than_its_base(part: str) -> None:
    """Else an hour of training ends at a misspelt word, or compares the base with itself."""
    base = read_settings(compose("train", PARTS[part]["words"]), TrainVerb)
    for name, variant in PARTS[part]["variants"].items():
        words = [word.replace("{base}", "outputs/base") for word in variant["words"]]
        settings = read_settings(compose("train", [*PARTS[part]["words"], *words]), TrainVerb)
        assert settings != base or variant.get("passes", 1) != 1, name
        assert set(variant) <= {"words", "passes"}, name
