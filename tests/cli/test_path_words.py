"""A path on the command line comes back as it was typed, whatever letters it has."""

import os
import shlex
from pathlib import Path
from typing import Any

import pytest
from conftest import Command, assert_one_line
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from fewshot_fer.cli.overrides import hydra_words
from fewshot_fer.config.config_source import SCHEMAS
from fewshot_fer.config.hydra import compose
from fewshot_fer.config.quoting import command_line, in_quotes, pasteable, without_quotes
from fewshot_fer.system.errors import ConfigError
from fewshot_fer.system.files import write_text

ODD = "한글 a/[x] (new), 'b' \"c\" = # & ; $HOME `d` ${e {f} \\ \\' %g @h ~ *"
PATHS = st.text(
    st.sampled_from("abc한é 🙂=#,&;'\"[]{}()$\\~%@!*?:|<>`-+./\n\t") | st.characters(codec="utf-8"),
    min_size=1,
    max_size=12,
).filter(lambda text: "\0" not in text)


def value_of(verb: str, key: str, words: list[str]) -> Any:  # noqa: ANN401
    """Return what a key is set to by the words of a command line."""
    return OmegaConf.select(compose(verb, hydra_words(verb, words)), key)


def parsed(verb: str, word: str) -> Any:  # noqa: ANN401
    """Return the same for a word alone, without composing all other settings."""
    (override,) = OverridesParser.create().parse_overrides(hydra_words(verb, [word]))
    return OmegaConf.to_object(OmegaConf.create([override.value()]))[0]  # type: ignore[index]


@pytest.mark.parametrize(
    ("verb", "key"),
    [
        *(("train", key) for key in ("paths.data", "dataset.root", "eval.dataset.file", "resume")),
        *(("test", key) for key in ("run", "episodes.load", "episodes.save")),
        *(("report", "study"), ("export", "out"), ("demo_app", "support"), ("prepare", "afew")),
        *(("predict", "enrol"), ("check", "backbone.weights")),
    ],
)
def test_a_path_is_text(verb: str, key: str) -> None:
    assert value_of(verb, key, [f"{key}={ODD}"]) == ODD


def test_every_setting_called_like_a_path_is_taken_as_one() -> None:
    """A setting of these names that is added, and not marked, would go to Hydra's grammar."""
    for verb in SCHEMAS:
        for key in _keys(OmegaConf.to_container(OmegaConf.structured(SCHEMAS[verb]))):
            if key.split(".")[-1] in {"root", "file", "data", "outputs", "run", "out", "weights"}:
                assert hydra_words(verb, [f"{key}=a b"]) == [f"{key}='a b'"], key


def _keys(content: Any, above: str = "") -> list[str]:  # noqa: ANN401
    if not isinstance(content, dict) or not content:
        return [above]
    return [
        key
        for name, value in content.items()
        for key in _keys(value, f"{above}.{name}".lstrip("."))
    ]


@settings(max_examples=150, deadline=None)
@given(path=PATHS)
@example("${oc.env:HOME}")
@example("${paths.outputs}")
@example("\\\\${x}\\")
@example("'quoted'")
@example("null")
@example("[a,b]")
@example("~/x")
def test_what_is_printed_leads_to_the_path_that_was_meant(path: str) -> None:
    """Through the shell's quotes and Hydra's, for one path and in a list."""
    (word,) = shlex.split(pasteable("run", Path(path)))
    assert parsed("predict", word) in (str(Path(path)), str(Path(path).absolute()))
    assert without_quotes(in_quotes(path)) == path  # as tables of a sweep show it
    (word,) = shlex.split(pasteable("runs", [path, "b"]))
    assert parsed("report", word) == [path, "b"]


@settings(max_examples=150, deadline=None)
@given(path=PATHS)
def test_what_is_typed_is_the_path(path: str) -> None:
    if path == "null" or path[0] in "'\"~":
        return  # these mean more than text, and `pasteable` quotes them
    assert parsed("prepare", f"afew={path}") == path


def test_a_comma_separates_where_several_paths_are_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless all of it is one that is there, or nothing but one can be meant."""
    monkeypatch.chdir(tmp_path)
    assert hydra_words("train", ["-m", "dataset.root=a b,c"])[1] == "dataset.root='a b','c'"
    assert hydra_words("train", ["-m", "dataset.root=choice(a,b)"])[1] == "dataset.root=choice(a,b)"
    assert hydra_words("train", ["-m", "paths.outputs=a,b"])[1] == "paths.outputs='a,b'"
    assert hydra_words("train", ["dataset.root=a,b"]) == ["dataset.root='a,b'"]
    (tmp_path / "a,b").mkdir()
    assert hydra_words("train", ["-m", "dataset.root=a,b"])[1] == "dataset.root='a,b'"
    assert hydra_words("predict", ["images=a,b"]) == ["images=['a,b']"]
    assert hydra_words("predict", ["images=c,a,b,d"]) == ["images=['c','a,b','d']"]
    assert hydra_words("predict", ["images=a,'x' y"]) == [r"images=['a','\'x\' y']"]
    assert hydra_words("predict", ["classes=[기쁨,슬픔]"]) == ["classes=['기쁨','슬픔']"]


def test_settings_and_resolvers_may_still_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACES", "/faces of mine")
    assert (
        value_of("train", "paths.data", ["paths.data=${oc.env:FACES}/a b"]) == "/faces of mine/a b"
    )
    words = ["paths.outputs=o o", "episodes.save=${paths.outputs}/e.npz"]
    assert value_of("train", "episodes.save", words) == "o o/e.npz"


def test_a_folder_for_results_with_the_sign_of_a_setting_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"paths\.outputs="):
        hydra_words("train", ["paths.outputs=${mine}"])


def test_a_home_of_nobody_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~x` that lies here, and that of a user who is not known, are names which begin so."""
    monkeypatch.chdir(tmp_path)
    assert value_of("test", "run", ["run=~no such user/x"]) == str(tmp_path / "~no such user/x")
    (tmp_path / "~").mkdir()
    assert value_of("test", "run", ["run=~"]) == str(tmp_path / "~")


def test_a_line_is_readable_where_nothing_needs_quotes() -> None:
    line = command_line("train", resume=Path("outputs/train/2026-11-27"))
    assert line == "python -m fewshot_fer.train resume=outputs/train/2026-11-27"


@pytest.mark.parametrize("folder", [os.fsdecode(b"caf\xe9"), "${x}"])
def test_a_folder_in_which_nothing_can_be_written_is_one_line(
    folder: str, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / folder).mkdir()
    monkeypatch.chdir(folder)
    assert_one_line(command("check", "paths=demo"), ascii(folder)[1:-1])


def test_words_that_are_not_utf_8_are_one_line(command: Command) -> None:
    assert_one_line(command("train", "paths.data=caf\udce9"), "paths.data=caf\\udce9")


def test_a_name_of_250_letters_is_written_whole(tmp_path: Path) -> None:
    """The temporary name beside it is no longer than the file system takes."""
    for name in ("x" * 250, "한" * 83):
        write_text(tmp_path / name, "whole")
        assert (tmp_path / name).read_text() == "whole"
