"""Every file in conf/ composes and validates, and every mistake is one line that names it."""

import contextlib
import copy
from functools import cache, partial
from pathlib import Path

import pytest
from conftest import Command
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fewshot_fer.cli.overrides import composed_tests, expand_tests
from fewshot_fer.config.conf_files import conf_dir, conf_names, shown_names
from fewshot_fer.config.hydra import compose, plain, run_id
from fewshot_fer.config.read import read_settings
from fewshot_fer.config.schema import TestVerb, TrainVerb
from fewshot_fer.system.errors import ConfigError

GROUPS = ("dataset", "eval", "backbone", "method", "train", "paths", "experiment")


@pytest.mark.parametrize(
    "choice",
    [
        f"{file.parent.name}={file.stem}"
        for group in GROUPS
        for file in (conf_dir() / group).iterdir()
    ]
    + [f"eval={name}" for name in conf_names("eval") if name.startswith("afew_")],
)
def test_every_file_composes_and_validates(choice: str) -> None:
    """A file that a user can name must not be the first to be found broken by one."""
    settings = read_settings(compose("train", [choice]), TrainVerb)
    assert settings.train.epochs > 0 or choice == "train=frozen"


def test_every_shape_of_a_test_composes() -> None:
    """And names the data set and shape that its name says: of three files all that is derived."""
    bases = ("afew", "compound", "mafw_multiple")
    names = [name for name in conf_names("test") if name.startswith(bases)]
    words = ["run=somewhere", f"test=[{','.join(names)}]"]
    settings = read_settings(compose("test", words), TestVerb)
    assert sorted(settings.test) == names
    for name, test in settings.test.items():
        shape = f"fixed{test.k_shot}" if test.kind == "fixed" else f"{test.n_way}w{test.k_shot}s"
        base = f"{test.name}_clips" if test.unit == "clip" else test.name
        assert name in (base, f"{base}_{shape}")


def test_check_reads_what_train_reads() -> None:
    """A training command is checked by changing its verb; `data`, of check alone, is not set."""
    words = ("experiment=demo", "train=classic", "test=[basic_7w1s]", "seed=3")
    checked = plain(compose("check", words))
    assert checked.pop("data") is None
    assert checked == plain(compose("train", words))


@pytest.mark.parametrize("word", ["test=nothing", "test=[basic_7w1s,nothing]", "eval=nothing"])
def test_an_unknown_evaluation_is_refused_with_those_there_are(command: Command, word: str) -> None:
    outcome = command("train", word)
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert all(name in outcome.err for name in shown_names("eval"))


def test_classic_is_the_study() -> None:
    """The numbers of the study's run, pinned: a preset that drifts is worth nothing."""
    settings = read_settings(compose("train", ["train=classic"]), TrainVerb)
    train = settings.train
    assert (train.epochs, train.episodes_per_epoch, settings.eval.episodes) == (500, 100, 100)
    assert (train.n_way, train.k_shot, train.n_query) == (3, 5, 5)
    assert (train.lr, train.drop_lr_every, train.patience, train.tested) == (1e-3, 40, 0, "last")
    assert train.fresh_validation
    assert not any(vars(train.augment).values())
    assert (train.crops, train.rotation_weight) == (1, 0.0)
    assert settings.backbone.image_size == 84


def test_fields_of_evaluations_can_be_overridden() -> None:
    """eval.n_way=5, and any data set in the place of the one that an eval file names."""
    overrides = ("eval.n_way=5", "eval.episodes=7", "dataset@eval.dataset=folder")
    settings = read_settings(compose("train", [*overrides, "eval.dataset.root=x"]), TrainVerb)
    assert (settings.eval.n_way, settings.eval.episodes) == (5, 7)
    assert (settings.eval.dataset.adapter, settings.eval.dataset.root) == ("folder", "x")


@pytest.mark.parametrize(
    "word",
    [
        "train.augment.mixup=0.2",
        "train.augment.cutmix=1.0",
        "train.rotation_weight=1.0",
        "train.crops=2",
    ],
)
def test_what_supervised_epochs_alone_do_is_refused_without_any(word: str) -> None:
    """It would change nothing, and its row of a table would say that it was of no use."""
    for good in ("train=pretrain_meta", "train=pretrain"):
        read_settings(compose("train", [good, word]), TrainVerb)
    with pytest.raises(ConfigError, match=f"{word}.*supervised epochs, and this run has none"):
        read_settings(compose("train", ["train=fast", word]), TrainVerb)


def test_copies_of_an_image_that_nothing_changes_are_refused() -> None:
    plain = [*(f"train.augment.{name}=0" for name in ("flip", "crop", "colour")), "train.crops=2"]
    with pytest.raises(ConfigError, match=r"train\.crops=2 would repeat the same pixels"):
        read_settings(compose("train", plain), TrainVerb)
    read_settings(compose("train", [*plain, "train.rotation_weight=1"]), TrainVerb)


@pytest.mark.parametrize(
    ("override", "culprit"),
    [
        ("train.n_way=1", "train.n_way=1"),
        ("train.lr=0", "train.lr=0.0"),
        ("train.lr=nan", "train.lr=nan"),
        ("train.augment.flip=2", "train.augment.flip=2.0"),
        ("train.augment.rotate=181", "train.augment.rotate=181.0"),
        ("train.augment.erase=1.1", "train.augment.erase=1.1"),
        ("train.augment.mixup=-0.2", "train.augment.mixup=-0.2"),
        ("train.augment.cutmix=nan", "train.augment.cutmix=nan"),
        ("train.rotation_weight=-1", "train.rotation_weight=-1.0"),
        ("train.crops=0", "train.crops=0"),
        ("train.tested=worst", "train.tested=worst"),
        ("eval.episodes=1", "eval.episodes=1"),
        ("episodes.disjoint=clip", "episodes.disjoint=clip"),
        ("device=tpu", "device=tpu"),
        ("precision=float16", "precision=float16"),
        ("seed=-1", "seed=-1"),
        ("demo.scale=0", "demo.scale=0.0"),
        ("backbone.image_size=8", "backbone.image_size=8"),
        ("dataset.adapter=lfw", "dataset.adapter=lfw"),
        ("+typo=1", "typo is not a setting"),
        ("+train.n_wya=1", "did you mean train.n_way?"),
        ("+eval.dataset.rot=1", "eval.dataset.rot"),
    ],
)
def test_settings_out_of_range_are_named(override: str, culprit: str) -> None:
    """What the schema lets through is caught, with the key and what was found."""
    with pytest.raises(ConfigError) as error:
        read_settings(compose("train", [override]), TrainVerb)
    assert culprit in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["test=a"], ["test=[a]"]),
        (["test=a,b", "test.n_way=3"], ["test=[a,b]", "test.a.n_way=3", "test.b.n_way=3"]),
        (["test=[a,b]"], ["test=[a,b]"]),
        (["-m", "test=a,b"], ["-m", "test=a,b"]),
        (["seed=1", "-m", "train.n_way=3,5"], ["-m", "seed=1", "train.n_way=3,5"]),
        (["test=a", "test.a.n_way=3"], ["test=[a]", "test.a.n_way=3"]),
        (["test=a", "test.dataset.root=x"], ["test=[a]", "test.a.dataset.root=x"]),
        (["eval=a", "seed=1,2"], ["eval=a", "seed=1,2"]),
    ],
)
def test_short_forms_of_test(typed: list[str], meant: list[str]) -> None:
    """test=a,b is a list and not a sweep, and test.field means every named test."""
    assert expand_tests(typed) == meant


def test_short_forms_reach_the_tests_of_an_experiment() -> None:
    """experiment=demo names its test in a file; test.episodes=5 must find it, in a sweep too."""
    typed = ["-m", "experiment=demo", "train.n_way=2,3", "test.episodes=5"]
    meant = ["-m", "experiment=demo", "train.n_way=2,3", "test.afew_4w5s.episodes=5"]
    assert expand_tests(typed, partial(composed_tests, "train")) == meant
    assert composed_tests("train", ["experiment=nothing"]) == []


def test_run_folders_never_collide() -> None:
    """Two runs started in the same second have folders of their own."""
    assert len({run_id("demo") for _ in range(100)}) == 100
    assert run_id("rafdb_basic", "demo").split("_")[2] == "demo"
    assert "rafdb_basic" in run_id("rafdb_basic", None)


def test_conf_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """conf/ does not depend on where the command is typed."""
    monkeypatch.chdir(tmp_path)
    assert conf_dir().is_absolute()
    assert (conf_dir() / "train.yaml").is_file()


def leaves(config: DictConfig, prefix: str = "") -> list[str]:
    """Return every setting's key, with dots."""
    found: list[str] = []
    for key in map(str, config):
        node = None if OmegaConf.is_missing(config, key) else config[key]
        below = leaves(node, f"{prefix}{key}.") if isinstance(node, DictConfig) else []
        found += below or [f"{prefix}{key}"]
    return found


@hypothesis_settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_value_of_any_setting_is_taken_or_refused(data: st.DataObject) -> None:
    """Whatever is typed for whichever keys: settings, or an error that is one line; no other."""
    base = composed_once()
    values = st.one_of(
        st.integers(-(2**40), 2**40),
        st.floats(),
        st.text(max_size=12),
        st.booleans(),
        st.none(),
        st.lists(st.text(max_size=3), max_size=2),
        st.sampled_from(["???", "${nothing}", "${train}", "a\0b", "얼굴 🙂", "1e400", "-0"]),
    )
    keys = st.sampled_from(leaves(base))
    config = copy.deepcopy(base)
    for key, value in data.draw(st.lists(st.tuples(keys, values), min_size=1, max_size=4)):
        with contextlib.suppress(OmegaConfBaseException):  # refused before our own checks
            OmegaConf.update(config, key, value)
    with contextlib.suppress(ConfigError):
        settings = read_settings(config, TrainVerb)
        assert settings.train.n_way >= 2
        assert 0 <= settings.seed < 2**32


@cache
def composed_once() -> DictConfig:
    """Compose the defaults once for all examples."""
    return compose("train", ["test=[afew_4w5s]"])
