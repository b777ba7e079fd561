"""Registration: an adapter is a function with a decorator and a file in conf/, and nothing else."""

import importlib
import sys
from pathlib import Path

import pytest
import yaml
from conftest import TINY, Command

from fewshot_fer.config.conf_files import conf_dir
from fewshot_fer.config.schema import DatasetConfig
from fewshot_fer.data.adapters.registry import adapter_names, find_adapter
from fewshot_fer.system.errors import ConfigError

PLUGIN = """
from pathlib import Path

import pandas as pd

from fewshot_fer.data.adapters.registry import register_adapter
from fewshot_fer.data.table import make_table


@register_adapter("faces_by_prefix", "<class>_<number>.jpg", counts={"all": {"a": 4, "b": 5}})
def read_faces(folder: Path) -> pd.DataFrame:
    return make_table([
        {"path": str(path), "label": path.name[0], "split": "all", "dataset": "faces_by_prefix"}
        for path in folder.glob("*.jpg")
    ])
"""


def test_every_adapter_has_a_file_in_conf() -> None:
    """By which it is chosen, and known before any adapter is imported; some have another besides,
    such as affectnet7."""
    files = sorted((conf_dir() / "dataset").glob("*.yaml"))
    named = {path.stem: yaml.safe_load(path.read_text())["adapter"] for path in files}
    adapters = {*adapter_names()} - {"faces_by_prefix"}
    assert {*named.values()} == adapters
    assert all(named[adapter] == adapter for adapter in adapters)


def test_an_unknown_adapter_is_named() -> None:
    """With those that there are."""
    with pytest.raises(ConfigError, match=r"dataset\.adapter=nobody is not known: .*rafdb_basic"):
        find_adapter("nobody")


def test_settings_go_to_functions_that_have_a_parameter_for_them(tmp_path: Path) -> None:
    """A list is read from `dataset.file`; most need no more than the folder."""
    with pytest.raises(ConfigError, match=r"give dataset\.file="):
        find_adapter("csv").read(tmp_path, DatasetConfig("csv"))


def test_an_adapter_of_a_users_module_is_trained_on(
    command: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the command line, with its own counts in the warning about them."""
    aligned = data / "RAF-DB/basic/Image/aligned"
    for number, path in enumerate(sorted(aligned.iterdir())):
        (tmp_path / f"{'abc'[number % 3]}_{number}.jpg").symlink_to(path)
    words = ("dataset.adapter=faces_by_prefix", f"dataset.root={tmp_path}", "dataset.split=all")
    assert "dataset.adapter=faces_by_prefix is not known" in command("train", *TINY, *words).err
    (tmp_path / "my_adapters.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("my_adapters")
    monkeypatch.delitem(sys.modules, "my_adapters")
    outcome = command("train", *TINY, *words, f"paths.data={data}")
    assert outcome.code == 0, outcome.err
    assert f"faces_by_prefix: 63 images under {tmp_path}, officially 9" in outcome.err
