"""What users read of the choices: the page of --help, and the table in the manual."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Command

from fewshot_fer.config.conf_files import SHAPED, conf_dir, conf_names, shown_names
from fewshot_fer.config.config_source import SCHEMAS

PAGE = (Path(__file__).parents[2] / "docs/train_and_test.md").read_text(encoding="utf-8")
OF_DATA = ("dataset", "eval", "test")
ASIDE = {"paths": {"as_trained"}}
"""Files that nobody names: the default of the verb test."""


@pytest.mark.parametrize("verb", SCHEMAS)
def test_help_shows_how_to_start_and_every_setting(command: Command, verb: str) -> None:
    shown = command(verb, "--help")
    assert (shown.code, shown.err) == (0, "")
    assert f"python -m fewshot_fer.{verb} " in shown.out
    for key in vars(SCHEMAS[verb])["__dataclass_fields__"]:
        assert re.search(rf"^{key}:", shown.out, re.M), key


def test_help_shows_settings_under_the_words_that_are_given(command: Command) -> None:
    """With choices and values put in, and a mistake refused."""
    shown = command("train", "backbone=resnet50", "test=afew_4w5s", "test.k_shot=3", "-h")
    assert "name: resnet50" in shown.out
    assert "k_shot: 3" in shown.out
    refused = command("train", "backbone=nothing", "--help")
    assert refused.code == 2
    assert "resnet50" in refused.err


def test_an_own_file_is_taken_in_the_place_of_a_derived_evaluation(
    command: Command, tmp_path: Path
) -> None:
    """Else --config-dir would be passed over without a word where its name could be derived."""
    own = tmp_path / "own/eval/afew_7w1s.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("n_way: 7\nepisodes: 77\n")
    shown = command(
        "train", "--config-dir", str(tmp_path / "own"), "eval=afew_7w1s", "--cfg", "job"
    )
    assert "episodes: 77" in shown.out, shown.err


def test_help_lists_the_groups_of_a_verb(command: Command) -> None:
    """Those that it takes, with every name; a derived one among them."""
    shown = " ".join(command("train", "--help").out.split())
    for path in conf_dir().iterdir():
        if path.is_dir() and path.name != "hydra":
            assert f"{path.name}: {', '.join(shown_names(path.name))}" in shown
    assert f"test: {', '.join(shown_names('eval'))}" in shown
    assert "dataset: afew" not in command("test", "--help").out
    assert "group=name" not in command("predict", "--help").out


def test_help_does_not_import_torch() -> None:
    """torch takes seconds to import: nobody waits for them to read a page."""
    code = """
import sys
from fewshot_fer import check, report, test, train
sys.argv = ["train", "--help"]
train.main()
sys.exit("torch" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_table_in_the_manual_is_complete() -> None:
    """Whatever can be chosen stands there; of data sets and evaluations the page of configuration
    has all, which is made from conf/, so that a new one changes no page by hand."""
    rows = re.findall(r"^\| (`\w+=`(?:, `\w+=`)*) \| (.*) \|$", PAGE, re.M)
    table = {
        group: set(re.findall(r"`([\w+]+)`", choices))
        for groups, choices in rows
        for group in re.findall(r"`(\w+)=`", groups)
    }
    groups = ("dataset", "eval", "test", "train", "backbone", "method", "paths", "sweep")
    endings = {name for name in table["eval"] if name.startswith("_")}
    for group in ("eval", "test"):
        table[group] = {SHAPED.sub(r"\1", name) for name in table[group] - endings}
    names = {group: {SHAPED.sub(r"\1", name) for name in conf_names(group)} for group in groups}
    for group in groups:
        known = names[group] - ASIDE.get(group, set())
        assert table[group] == known or (group in OF_DATA and table[group] < known), group
    assert all(f"afew{ending}" in conf_names("eval") for ending in endings)
