"""What a method cannot be asked is said before anything runs, in one line that says what to do."""

import re
import shutil
from functools import cache
from pathlib import Path

import pytest
from conf_files import composed, files
from conftest import face_table
from hydra import compose, initialize_config_dir

from fewshot_fer.config.hydra import conf_dir, register_schemas
from fewshot_fer.config.method_rules import check_run_answers
from fewshot_fer.config.read import read_settings
from fewshot_fer.config.schema import EvalConfig, MethodConfig, TestVerb, TrainConfig, TrainVerb
from fewshot_fer.data.labels import BASIC
from fewshot_fer.episodes.pool import Shape, build_pool
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.evaluation.methods import require_named_parts, require_parts
from fewshot_fer.system.errors import ConfigError

TRAINED = ("cosine", "euclidean", "matching_fce", "relation", "feat")
TRANSDUCTIVE = ("bdcspn", "laplacianshot", "tim", "ptmap")


REFUSED = [
    *([f"method={name}", "train=pretrain"] for name in TRAINED),
    *([f"method={name}", "train=frozen"] for name in TRAINED),
    *([f"method={name}", "eval=basic_fixed5"] for name in TRANSDUCTIVE),
    ["method=bdcspn", "test=[afew_fixed5]"],
    ["method=ptmap", "train=pretrain"],
    ["method=ptmap", "train=frozen"],
    ["method=simpleshot", "eval.k_shot=0"],
    ["method=classifier", "train=pretrain"],
]


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_what_does_not_go_together_is_refused(words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        read_settings(composed("train", *words), TrainVerb)
    assert re.search(r"^(eval|test|method)\S*=", str(error.value))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "words",
    [
        ["method=ptmap", "train=pretrain", "method.normalise=l2"],
        *([f"method={name}", "train=pretrain_meta"] for name in TRAINED),
        *([f"method={name}", "train=classic"] for name in TRAINED),
        ["method=classifier", "train=supervised", "trainer.devices=2"],
        ["method=composed", "train=pretrain", "eval.k_shot=0"],
    ],
    ids=" ".join,
)
def test_what_goes_together_is_taken(words: list[str]) -> None:
    settings = read_settings(composed("train", *words), TrainVerb)
    assert f"method={settings.method.name}" == words[0]


def a_test(kind: str, k_shot: int, methods: list[str] | None = None) -> TestVerb:
    asked = EvalConfig("compound", kind=kind, k_shot=k_shot, n_way=4)
    return TestVerb("run", test={"one": asked}, methods=methods or [])


@pytest.mark.parametrize(
    ("method", "asked", "expected"),
    [
        ("protonet", a_test("episodes", 0), r"test\.one\.k_shot=0: only method=composed"),
        ("tim", a_test("fixed", 5), r"test\.one\.kind=fixed: method=tim answers all queries"),
        ("protonet", a_test("episodes", 0, ["bdcspn"]), r"test\.one\.k_shot=0"),
        ("protonet", a_test("episodes", 0, ["all"]), None),
        ("protonet", a_test("episodes", 0, ["composed"]), None),
        ("composed", a_test("episodes", 0), None),
        ("protonet", a_test("fixed", 5), None),
        ("tim", a_test("episodes", 5), None),
    ],
)
def test_a_run_is_asked_what_its_method_can_answer(
    method: str, asked: TestVerb, expected: str | None
) -> None:
    trained = TrainVerb(method=MethodConfig(method))
    if expected is None:
        check_run_answers(asked, trained)
        return
    with pytest.raises(ConfigError, match=expected):
        check_run_answers(asked, trained)


def test_parts_by_any_spelling_or_an_error() -> None:
    """Angry is anger; a part that training has not is named, and never taken for none."""
    names = ("anger", "happiness", "surprise")
    spelt = MethodConfig("composed", parts={"Mixed_Up": ["Angry", "Happy"]})
    require_named_parts(spelt, names)
    for part, expected in (("hapiness", "did you mean happiness?"), ("fear", "fear is no class")):
        wrong = MethodConfig("protonet", parts={"mixed up": ["anger", part]})
        with pytest.raises(ConfigError, match=re.escape(expected)):
            require_named_parts(wrong, names)


def test_without_a_support_every_class_needs_parts() -> None:
    """Protects 0-shot figures from classes of which nothing is known."""
    table = face_table({"happily surprised": 5, "bored": 5})
    without, with_one = (
        EpisodicProtocol("test", "made", "made", table, 2, build_pool(table, shape))
        for shape in (Shape(2, 0, 1), Shape(2, 1, 1))
    )
    plain = MethodConfig("composed")
    require_parts(plain, BASIC, [with_one])
    with pytest.raises(ConfigError, match=r"test made_2w0s: no picture and no parts of bored"):
        require_parts(plain, BASIC, [with_one, without])
    require_parts(MethodConfig("composed", parts={"Bored": ["Angry", "neutral"]}), BASIC, [without])


STUDY = [name for name in files("experiment") if name.startswith("study_")]


@cache
def recipe(name: str) -> TrainConfig:
    return read_settings(composed("train", f"train={name}"), TrainVerb).train


@pytest.mark.parametrize("default", files("train"))
def test_the_study_stays_classic_whatever_the_default_is(default: str, tmp_path: Path) -> None:
    """Its presets take nothing from the recipe that train.yaml takes by default."""
    conf = tmp_path / "conf"
    shutil.copytree(conf_dir(), conf)
    register_schemas()
    main = conf / "train.yaml"
    text, count = re.subn(r"- train: \w+", f"- train: {default}", main.read_text())
    assert count == 1
    main.write_text(text)
    for name in STUDY:
        with initialize_config_dir(version_base="1.3", config_dir=str(conf)):
            settings = read_settings(compose("train", overrides=[f"experiment={name}"]), TrainVerb)
        is_fifth = name.startswith("study_5")
        assert settings.train == recipe("supervised" if is_fifth else "classic"), name
        method = "classifier" if is_fifth else "protonet"
        assert (settings.method.name, settings.method.normalise) == (method, "none"), name
        assert settings.mix.per_class == (3000 if name.startswith("study_7") else None)
        assert settings.backbone.name == ("resnet50" if is_fifth else "conv4")
