"""Commands in README.md and docs/ are what the tool takes: each is read as if it had been typed.

Those of the first pages in the quick tests, as Hydra takes a third of a second for each. Those that
need no data but the drawn faces are run too, at tiny size.
"""

import re
import shlex
import shutil
from collections.abc import Iterator
from itertools import count, cycle
from pathlib import Path
from textwrap import dedent

import pytest
from conftest import TINY, Command, train_in
from films import squares, write_film
from hydra.core.override_parser.overrides_parser import OverridesParser

from fewshot_fer.__main__ import VERBS
from fewshot_fer.cli.overrides import hydra_words, take_plugins
from fewshot_fer.cli.sweep import FLAGS
from fewshot_fer.config.config_source import SCHEMAS
from fewshot_fer.config.hydra import compose
from fewshot_fer.config.read import read_settings
from fewshot_fer.data import labels

CHECKOUT = Path(__file__).parents[2]
START = re.compile(r"(?:python -m fewshot_fer\.|fewshot-fer )([\w-]+) ?(.*)")
DRAWN = ("paths=demo", "demo.scale=0.02")
SMALL = (*TINY[1:-2], "train.supervised_epochs=0", "eval.episodes=10", "device=cpu")
OTHERS = re.compile(
    r"^demo_app|launcher|sweep=transfer|study_5|experiment=faces|msceleb|oulu_casia_5w1s|study=|"
    r"backbone=(?!conv4|face_expression)|surprised,bored|train\.teacher="
)
"""In a command that is not run here: weights or machines that are not at hand, seven trainings, all
data sets, a page, which tests/inference/test_demo_app.py opens, and a run of texts or a teacher,
which tests/models/test_text_prior.py and tests/training/test_teacher.py train."""


OWN = ("bored", "amused", "tired", "calm", "proud")  # classes in my_faces
SPLITS = ("train", "val")


def blocks(page: str) -> Iterator[str]:
    """Yield the lines of a page's blocks of code, fenced or indented, a continued one in one."""
    fenced = False
    for line in page.replace("\\\n", " ").splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line.strip()


def commands(*names: str) -> dict[str, tuple[str, str]]:
    """Return command -> verb, and what is typed behind it, without comments."""
    found = {}
    for file in map(CHECKOUT.joinpath, names):
        for line in blocks(file.read_text(encoding="utf-8")):
            for part in line.split(" && "):
                if start := START.match(part):
                    verb, rest = start[1].replace("-", "_"), start[2].partition(" #")[0].strip()
                    found[f"{verb} {rest}"] = (verb, rest)
    return {name: (verb, rest) for name, (verb, rest) in found.items() if verb in VERBS}


FIRST = ("README.md", "docs/index.md", "docs/your_data.md")
QUICK = commands(*FIRST)
COMMANDS = commands(
    *FIRST, *(f"docs/{file.name}" for file in sorted((CHECKOUT / "docs").glob("*.md")))
)


def on_drawn(typed: str) -> str:
    """Return a command with the drawn faces in the place of one's own data."""
    return re.sub(r"paths\.data=\S+", DRAWN[0], typed)


def jobs(words: list[str]) -> list[list[str]]:
    """Return the words of the first and of the last job of a sweep."""
    lines = []
    for each in OverridesParser.create().parse_overrides([w for w in words if w not in FLAGS]):
        values = [str(each.input_line)]
        if each.is_sweep_override():
            values = [f"{each.get_key_element()}={v}" for v in each.sweep_string_iterator()]
        if not each.get_key_element().startswith("hydra"):
            lines.append(values)
    return [[values[0] for values in lines], [values[-1] for values in lines]]


def test_the_manual_has_commands_of_every_verb() -> None:
    """Else the tests below would hold of nothing."""
    assert {verb for verb, _ in COMMANDS.values()} == set(VERBS)


RUN = [name for name in COMMANDS if not OTHERS.search(on_drawn(name))]
READ = [
    name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
    for name in COMMANDS
    if name in QUICK or name not in RUN
]


@pytest.mark.parametrize("name", READ, ids=str)
def test_a_command_composes_and_validates(
    name: str,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """With folders that are looked for already while settings are read."""
    verb, rest = COMMANDS[name]
    rest = rest.replace("/where/the/data/lie", "DATA")
    monkeypatch.chdir(tmp_path)
    for folder in ("my_faces", "holiday"):
        Path(folder).mkdir()
    words, _ = take_plugins(
        shlex.split(re.sub(r"(?<==)/", f"{tmp_path}/", rest).replace("DATA", str(data)))
    )
    for word in words if verb == "prepare" else ():
        key, _, value = word.partition("=")
        if key in ("afew", "images", "videos"):
            Path(value).mkdir(parents=True, exist_ok=True)
    if "sweep=transfer" in words:  # which looks for the data sets already here
        assert request.getfixturevalue("demo").is_dir()  # so that it draws none
        monkeypatch.setenv("FEWSHOT_FER_CACHE", str(request.getfixturevalue("cache")))
        words.append("demo.scale=0.02")
    words = hydra_words(verb, words)
    for job in jobs(words) if FLAGS[0] in words else [words]:
        read_settings(compose(verb, job), SCHEMAS[verb])


@pytest.fixture(scope="module")
def runs(cache: Path, demo: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two tiny runs on the drawn faces that were trained with one shot and with two."""
    assert demo.is_dir()
    words = [*DRAWN, "train=fast", *(word for word in SMALL if "k_shot" not in word)]
    return [
        train_in(tmp_path_factory.mktemp("run"), cache, *words, f"train.k_shot={shots}")
        for shots in (1, 2)
    ]


@pytest.fixture
def pictures(tmp_path: Path, demo: Path) -> None:
    """The files that commands name: photographs, folders of them, lists, a video, a module."""
    found = sorted(demo.rglob("basic/Image/aligned/*.jpg"))
    own = [f"my_faces/{name}/{n}.jpg" for name in OWN for n in range(5)]
    faces = [
        f"{folder}/{name}/{n}.jpg"
        for folder in ("my/faces", "my/other/faces")
        for name in ("anger", "calm", "fear", "joy", "pain")
        for n in range(12)
    ]
    places = ("photo.jpg", "me_neutral.jpg", "holiday/a.jpg", "holiday/b.jpg")
    for place, file in zip((*places, *own, *faces), cycle(found), strict=False):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, tmp_path / place)
    for name in ("film.mp4", "data/videos/a.avi", "data/AFEW/Train_AFEW/Happy/000000001.avi"):
        write_film(tmp_path / name, squares(found[:4]))
    shutil.copytree(tmp_path / "data/videos", tmp_path / "data/FERV39k/videos")
    shutil.copytree(tmp_path / "holiday", tmp_path / "data/AffectNet/Manually_Annotated_Images")
    shutil.copytree(demo / "AFEW/Val_AFEW", tmp_path / "some/folder/AFEW/Val_AFEW")
    shutil.copytree(demo / "AFEW/Train_AFEW", tmp_path / "some/folder/AFEW/Train_AFEW")
    rows = [f"{file[3:]},{file.split('/')[2]},{SPLITS[n % 2]}" for n, file in enumerate(faces[:60])]
    (tmp_path / "my/list.csv").write_text("\n".join(["path,label,split", *rows]) + "\n")
    named = zip(("anger", "calm", "fear", "joy", "pain"), labels.BASIC[2:], strict=True)
    rows = [f"my/faces/{name}/{n}.jpg,{label},{n}" for name, label in named for n in range(12)]
    (tmp_path / "subjects.csv").write_text("\n".join(["path,label,group", *rows]) + "\n")
    page = (CHECKOUT / "docs/source.md").read_text(encoding="utf-8")
    lines = page.split("in `nearest.py`:\n\n")[1].split("    python -m")[0]
    (tmp_path / "nearest.py").write_text(dedent(lines))


@pytest.mark.slow
@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize("name", RUN, ids=str)
def test_a_command_runs_at_tiny_size(
    name: str, command: Command, runs: list[Path], tmp_path: Path
) -> None:
    """On the drawn faces, with the run that stands for outputs/train/... in the manual."""
    verb, rest = COMMANDS[name]
    numbers = count()
    copies = [shutil.copytree(run, tmp_path / "outputs/train" / run.name) for run in runs]
    if "resume=" in rest:
        (copies[0] / "summary.json").unlink()
    rest = re.sub(
        r"(?:outputs/(?:train|test)|/runs)/\.\.\.", lambda _: str(copies[next(numbers) % 2]), rest
    )
    sized = [word for word in SMALL if f" {word.split('=')[0]}=" not in f" {rest}"]
    if "backbone=face" in rest:  # which has its own size
        sized = [word for word in sized if not word.startswith("backbone.")]
    if "eval=jaffe_fixed5" in rest:  # of its few drawn pictures some are to be left
        sized.append("eval.k_shot=1")
    added = {
        "train": [] if "resume=" in rest else [*DRAWN[1:], *sized],
        "check": [] if rest.startswith("data=") else [*DRAWN[1:], *sized],
        "test": ["test.episodes=10"] if "fixed" not in rest else ["test.support_draws=1"],
        "predict": ["align=false"],
        "prepare": ["device=cpu"],
    }.get(verb, [])
    rest = on_drawn(rest)
    rest = re.sub(rf"(?<==)/(?!{tmp_path.parts[1]}/)", f"{tmp_path}/", rest)
    if verb in ("train", "check") and added and "demo" not in rest:
        added = [*added, DRAWN[0]]
    typed = command(verb, *shlex.split(rest), *added)
    if "images a class" in typed.err:  # at this size, after everything else was right
        pytest.skip(typed.err)
    assert typed.code == 0 or (verb == "check" and typed.code == 1), typed.err
