"""Lines printed to be typed work when pasted into a shell, whatever is in a name."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import TINY, Command, train_in
from omegaconf import OmegaConf

from fewshot_fer.cli.overrides import hydra_words, take_plugins
from fewshot_fer.config.hydra import compose
from fewshot_fer.config.quoting import command_line, pasteable
from fewshot_fer.reports.html.collect import collect_runs
from fewshot_fer.reports.html.differences import command as repeating
from fewshot_fer.runs.resume import resume_command

NAMES = (
    "plain",
    "with spaces and  two",
    "it's 'quoted' \"twice\"",
    "[brackets] (round) {curly}",
    "한글 얼굴",
    "$HOME `date` $(date) ${x} ${paths.data}",
    "a&b;c|d<e>f",
    "a,b = c # d ! e",
    "back\\slash\\",
    "~home",
    "-dash",
)


def paste(line: str, folder: Path, cache: Path) -> str:
    """Return what a line prints in a shell, on both screens. Fails where its exit code is not 0."""
    surroundings = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "FEWSHOT_FER_CACHE": str(cache),
    }
    shell = ["bash", "-c", line]
    done = subprocess.run(
        shell, cwd=folder, env=surroundings, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{line}\n{done.stderr}"
    return done.stdout + done.stderr


def words_of(line: str) -> list[str]:
    """Return the words that a program gets from a line of bash."""
    script = f"python() {{ printf '%s\\0' \"$@\"; }}; {line}"
    printed = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True)
    return printed.stdout.split("\0")[:-1]


@pytest.mark.parametrize("name", NAMES)
def test_a_printed_line_names_the_same_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    module, verb, *words = words_of(command_line("train", resume=tmp_path / name, seed=3))
    assert (module, verb) == ("-m", "fewshot_fer.train")
    config = compose("train", hydra_words("train", words))
    assert (config.resume, config.seed) == (str(tmp_path / name), 3)
    (word,) = words_of(f"python {pasteable('run', Path(name))}")
    given = OmegaConf.select(compose("test", hydra_words("test", [word])), "run")
    assert Path(given).absolute() == tmp_path / name


def test_a_line_to_resume_names_the_modules_that_the_run_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "my, [own] 'm'.py"
    file.write_text("")
    others, plugins = take_plugins([f"plugins={file}"])
    assert (others, plugins) == ([], (str(file),))
    monkeypatch.setattr("fewshot_fer.runs.resume.imported_plugins", lambda: list(plugins))
    words = words_of(resume_command(tmp_path / "run"))
    assert take_plugins(words)[1] == plugins


@pytest.mark.slow
def test_what_a_run_prints_is_pasted(
    data: Path, cache: Path, tmp_path: Path, command: Command
) -> None:
    """Resume, the report's line that repeats a run, and a support that was enrolled."""
    here = tmp_path / "작업 [1], 'b' \"c\" & $HOME;"
    here.mkdir()
    moved = here / "데이터 = #, ${y}"
    moved.symlink_to(data)
    run = train_in(here, cache, *TINY, f"paths.data={moved}", "episodes.save=[e], 'x'.npz")
    before = pd.read_csv(run / "results.csv")
    (run / "summary.json").unlink()
    paste(resume_command(run), here, cache)
    assert (run / "summary.json").is_file()
    assert pd.read_csv(run / "results.csv").equals(before)

    (again,) = collect_runs([run])[0]
    train_in(here, cache, *words_of(str(repeating(again)))[2:])
    others = [path for path in here.glob("outputs/train/*/results.csv") if path.parent != run]
    assert [pd.read_csv(path)["accuracy"].tolist() for path in others] == [
        before["accuracy"].tolist()
    ]

    classes, enrolled = here / "나의, [c]", here / "내, 'support' $1.pt"
    for number, picture in enumerate(sorted(moved.glob("RAF-DB/basic/Image/aligned/test_*"))):
        place = classes / str(number % 2) / picture.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, place)
    crops = " align=false device=cpu "
    line = command_line("predict", run=run, enrol=enrolled, support=classes)
    said = command("predict", *words_of(line + crops)[2:])
    (word,) = re.findall(r"give (.*) with this run", said.out + said.err)
    picture = pasteable("images", [str(place)])
    line = f"{command_line('predict', run=run)} {word} {picture}{crops}"
    assert "1 answered" in command("predict", *words_of(line)[2:]).out
