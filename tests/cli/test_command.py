"""`fewshot-fer`, one command for all verbs, and its completion."""

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from fewshot_fer import __main__, __version__
from fewshot_fer.cli.completion import BASH, candidates
from fewshot_fer.config.conf_files import conf_names
from fewshot_fer.config.config_source import SCHEMAS


def typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["fewshot-fer", *words])
    __main__.main()


def test_every_verb_stands_below_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a line on what it does, and its own help."""
    assert set(__main__.VERBS) == set(SCHEMAS)
    typed(monkeypatch)
    page = capsys.readouterr().out
    assert all(f"\n  {verb} " in page for verb in SCHEMAS)
    typed(monkeypatch, "demo-app", "--help")
    assert "python -m fewshot_fer.demo_app" in capsys.readouterr().out
    names = {each.name for each in entry_points(group="console_scripts")}
    assert {"fewshot-fer", *(f"fewshot-fer-{verb.replace('_', '-')}" for verb in SCHEMAS)} <= names


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """That of the package."""
    typed(monkeypatch, "--version")
    assert capsys.readouterr().out == f"fewshot-fer {__version__}\n"


def test_an_unknown_verb_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the nearest one that there is."""
    with pytest.raises(SystemExit) as ended:
        typed(monkeypatch, "trian")
    assert ended.value.code == 2
    assert "did you mean train?" in capsys.readouterr().err


def test_the_page_needs_neither_torch_nor_hydra() -> None:
    """Nobody waits for them to read which verbs there are."""
    code = """
import sys
from fewshot_fer import __main__
sys.argv = ["fewshot-fer"]
__main__.main()
sys.exit(bool({"torch", "hydra", "pandas"} & set(sys.modules)))
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("fewshot-fer ex", ["export"]),
        ("fewshot-fer train train.n_", ["train.n_query=", "train.n_way="]),
        ("fewshot-fer train eval.dataset.ro", ["eval.dataset.root="]),
        ("fewshot-fer train dataset=rafdb", ["rafdb_basic", "rafdb_compound"]),
        ("fewshot-fer test run=x test=a,afew_fixed", ["a,afew_fixed5", "a,afew_fixed50"]),
        ("fewshot-fer demo-app ru", ["run="]),
        ("fewshot-fer train nothing_such", []),
        ("fewshot-fer nothing_such x", []),
        ("fewshot-fer train run=outputs/", []),
    ],
)
def test_the_last_word_is_completed(line: str, expected: list[str]) -> None:
    """Verbs, keys and names; files are left to the shell."""
    assert candidates(line) == expected


def test_bash_completes() -> None:
    """By the very code that is printed, with the words that bash itself makes of a line."""
    line = "fewshot-fer train dataset="
    code = f"""{BASH}
fewshot-fer() {{ "{sys.executable}" -m fewshot_fer "$@"; }}
compopt() {{ :; }}
COMP_WORDS=(fewshot-fer train dataset = '') COMP_CWORD=4
COMP_LINE="{line}" COMP_POINT=${{#COMP_LINE}}
_fewshot_fer
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == conf_names("dataset")
