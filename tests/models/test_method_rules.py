"""Settings that do not go together with a method are refused in one line that says what to do."""

import re

import pytest
from conftest import Command, face_table

from fewshot_fer.config.conf_files import conf_names
from fewshot_fer.config.hydra import compose
from fewshot_fer.config.model_schema import MethodConfig
from fewshot_fer.config.read import read_settings
from fewshot_fer.config.schema import EvalConfig, TestVerb, TrainVerb
from fewshot_fer.data.labels import BASIC
from fewshot_fer.episodes.pool import Shape, build_pool
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.evaluation.choose_method import require_parts
from fewshot_fer.models.methods.registry import (
    check_run_tests,
    check_training,
    find_method,
    method_names,
)
from fewshot_fer.system.errors import ConfigError

TRAINED = method_names(needs_episodes=True)
TRANSDUCTIVE = tuple(name for name in method_names() if find_method(name).uses)
NEEDS = {f"method={name}": ["train=pretrain_meta"] for name in TRAINED} | {
    "method=classifier": ["train=supervised"],
    "method=ptmap": ["method.normalise=l2"],
    "method=text": ["method.normalise=l2"],
}
LOCAL = ("dn4", "frn", "deepbdc")
FLOORS = method_names(is_floor=True)
NEEDS |= {
    f"method={name}": ["method.normalise=none"] for name in (*LOCAL, "finetune", "tip_adapter")
}
NEEDS |= {f"method={name}": ["train=frozen", "method.normalise=none"] for name in FLOORS}

REFUSED = [
    *((f"method={name} train={train}", f"method={name} has weights")
      for name in TRAINED for train in ("pretrain", "frozen")),
    *((f"method={name} method.normalise=l2 eval=basic_fixed5", f"eval.kind=fixed: method={name}")
      for name in TRANSDUCTIVE),
    ("method=bdcspn test=[afew_fixed5]", "test.afew_fixed5.kind=fixed: method=bdcspn"),
    ("method=ptmap train=pretrain", "method.normalise=cl2n: ptmap compares square roots"),
    *((f"method={name} train=pretrain", "add method.normalise=none")
      for name in (*LOCAL, "finetune", "raw_pixels", "untrained_encoder")),
    *((f"method={name} method.normalise=none", f"method={name} takes nothing of an encoder")
      for name in FLOORS),
    ("method=tip_adapter train=fast", "method=tip_adapter needs a classifier beside"),
    ("method=tip_adapter train=pretrain", "a classifier takes embeddings as they are"),
    ("method=tip_adapter train=frozen method.normalise=none", "needs a classifier beside"),
    ("method=frn method.normalise=none train.classification_weight=1", "works on maps: leave it"),
    ("method=simpleshot eval.k_shot=0", "eval.k_shot=0: only method=composed"),
    ("method=classifier train=pretrain", "method.normalise=cl2n: a classifier"),
    ("method=protonet method.refine=tim", "take method=tim, or add method=composed"),
    ("method=composed method.prior_weight=much", "support or validation"),
    ("method=composed method.prior_weight=-1", "prior_weight"),
    ("method=composed method.composition=sum", "mean, unit, neutral"),
    ("method=composed method.part_weights=[0.4]", "a number for each part"),
    ("method=composed method.part_weights=[0,0]", "one of them above 0"),
    ("method=composed method.part_weights=[0.4,-1]", "method.part_weights=-1"),
    ("method=composed method.composition=harmonic method.refine=tim", "composes probabilities"),
    ("method=composed +method.parts.bored=[]", "parts.bored is empty"),
    ("method=composed method.refine=ptmap", "none, bdcspn, laplacianshot, laplacian, tim"),
    ("method=composed method.refine=bdcspn eval=compound_fixed5",
     "eval.kind=fixed: method=composed+bdcspn"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "expected"), REFUSED, ids=[words for words, _ in REFUSED])
def test_what_does_not_go_together_is_refused(words: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(expected)) as error:
        check_training(read_settings(compose("train", words.split()), TrainVerb))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "words",
    [
        *([f"method={name}", *NEEDS.get(f"method={name}", [])] for name in conf_names("method")),
        *([f"method={name}", "train=classic"] for name in TRAINED),
        ["method=classifier", "train=supervised", "trainer.devices=2"],
        ["method=composed", "train=pretrain", "eval.k_shot=0"],
    ],
    ids=" ".join,
)
def test_what_goes_together_is_taken(words: list[str]) -> None:
    settings = read_settings(compose("train", words), TrainVerb)
    check_training(settings)
    assert f"method={settings.method.name}" == words[0]


@pytest.mark.parametrize("verb", ["train", "check"])
def test_a_command_is_refused_before_data_are_read(verb: str, command: Command) -> None:
    """Even where there are no data: the method is what is wrong first."""
    outcome = command(verb, "method=tim", "eval=basic_fixed5", "paths.data=nowhere")
    assert outcome.code == 2
    assert "eval.kind=fixed: method=tim answers all queries" in outcome.err
    assert outcome.made is None


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
        check_run_tests(asked, trained)
        return
    with pytest.raises(ConfigError, match=expected):
        check_run_tests(asked, trained)


def test_parts_by_any_spelling_or_an_error() -> None:
    """Angry is anger; a part that training has not is named, and never taken for none."""
    names = ("anger", "happiness", "surprise")
    spelt = MethodConfig("composed", parts={"Mixed_Up": ["Angry", "Happy"]})
    require_parts(spelt, names, [])
    for part, expected in (("hapiness", "did you mean happiness?"), ("fear", "fear is no class")):
        wrong = MethodConfig("protonet", parts={"mixed up": ["anger", part]})
        with pytest.raises(ConfigError, match=re.escape(expected)):
            require_parts(wrong, names, [])


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


def test_parts_of_one_class_under_two_spellings() -> None:
    """The second of two spellings would take the place of the first without a word."""
    twice = MethodConfig("composed", parts={"half_sad": ["sad", "fear"], "Half-Sad": ["sad"]})
    with pytest.raises(ConfigError, match="half sad stands there twice"):
        require_parts(twice, BASIC, [])
