"""plugins=my_module: imported before settings are checked, from the command line alone."""

import os
import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import Command, assert_one_line
from omegaconf import OmegaConf

from fewshot_fer.config.hydra import compose
from fewshot_fer.config.names import PLUGINS
from fewshot_fer.runs.config_file import read_run_settings
from fewshot_fer.system.errors import RunError

NO_DATA = ("paths.data=/nowhere", "train=fast")


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put back what an import leaves behind."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv(PLUGINS, "")


def write_module(name: str, method: str) -> None:
    """Write a module in the working folder that makes a method known."""
    line = (
        "from fewshot_fer.models.methods.registry import register_method\n"
        # True to its word, as later tests of this process meet it among the others.
        f"@register_method('{method}', of_means=True)\n"
        "def logits(support, query):\n    return query @ support.mean(dim=2).mT\n"
    )
    Path(f"{name}.py").write_text(line)


@pytest.mark.parametrize(
    ("module", "given"), [("plugin_by_name", "plugin_by_name"), ("plugin_by_file", "./{}.py")]
)
def test_a_module_makes_its_names_known(command: Command, module: str, given: str) -> None:
    """By its name or its file, and in time for the check of the settings."""
    write_module(module, module)
    words = ("train", f"method.name={module}", *NO_DATA)
    refused = command(*words)
    assert refused.code == 2
    assert f"method.name={module} is not known" in refused.err
    assert "plugins=my_module" in refused.err
    accepted = command(*words, f"plugins={given.format(module)}")
    assert "not found in /nowhere" in accepted.err  # what is looked for next


def test_jobs_in_other_processes_import_it_too(command: Command) -> None:
    """Of a sweep under joblib, whose processes begin with nothing imported."""
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    write_module("plugin_of_jobs", "known_in_jobs")
    swept = ("-m", "seed=0,1", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    outcome = command(
        "train", "plugins=plugin_of_jobs", "method.name=known_in_jobs", *NO_DATA, *swept
    )
    assert outcome.code == 1
    (table,) = Path("outputs/sweeps").glob("*/sweep.csv")
    errors = pd.read_csv(table)["error"]
    assert len(errors) == 2
    assert errors.str.contains("not found in /nowhere").all()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("import there_is_no_such_module", "No module named 'there_is_no_such_module'"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("def f(:", "SyntaxError"),
        (None, "No module named 'plugin_broken'"),
    ],
)
def test_a_module_that_cannot_be_imported_is_one_line(
    command: Command, content: str | None, reason: str
) -> None:
    sys.modules.pop("plugin_broken", None)
    if content is not None:
        Path("plugin_broken.py").write_text(content)
    outcome = command("predict", "run=x", "images=y", "plugins=plugin_broken.py")
    assert_one_line(outcome, reason)


def test_a_stored_run_says_what_it_needs_and_imports_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its configuration may be a stranger's: it names a method, and never a module."""
    monkeypatch.chdir(tmp_path)
    write_module("strangers", "strangers_own")
    config = compose("train", ["train=fast", "method.name=strangers_own", "paths.data=x"])
    OmegaConf.save(config, tmp_path / "config.yaml", resolve=True)
    with pytest.raises(RunError, match=r"needs method.name=strangers_own.*plugins=my_module"):
        read_run_settings(tmp_path)
    assert "strangers" not in sys.modules
    assert not os.environ[PLUGINS]
