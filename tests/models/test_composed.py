"""Compound classes from their parts: the priors, how they are weighed, and every verb with them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import TINY, Command
from torch.nn import functional as F

from fewshot_fer.config.model_schema import COMPOSITIONS, PROBABILITIES
from fewshot_fer.evaluation.support import SupportSet, support_of_names, with_priors
from fewshot_fer.models.methods.composed import Priors, composed_prototypes
from fewshot_fer.models.methods.method import Method, for_single_pictures, refined
from fewshot_fer.models.methods.pair_map import fit_pair_map
from fewshot_fer.models.methods.prototypes import prototype_logits
from fewshot_fer.models.methods.registry import find_method, method_names
from fewshot_fer.system.errors import ConfigError

NAMES = ("anger", "happiness", "neutral", "surprise")
COMPOSED = (
    *TINY,
    "train=pretrain",
    "method=composed",
    "train.n_way=2",
    "train.supervised_epochs=2",
)


def some_priors(weight: float | None = None, composition: str = "mean") -> Priors:
    prototypes = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    parts = {"bored": ["neutral", "anger", "surprise"]}
    return Priors(NAMES, prototypes, 0.5, weight, parts, composition)


def test_priors_by_hand() -> None:
    """Protects what a prior is: a mean of parts, of one, of those named, or nothing."""
    priors = some_priors()
    own = priors.prototypes
    classes = ["happily surprised", "anger", "fearfully surprised", "bored"]
    found, known = priors.of(classes)
    assert known.tolist() == [True, True, False, True]  # fear is no training class here
    assert torch.allclose(found[0], (own[1] + own[3]) / 2)
    assert torch.allclose(found[1], own[0])
    assert not found[2].any()
    assert torch.allclose(found[3], (own[2] + own[0] + own[3]) / 3)
    units = F.normalize(own, dim=1)
    assert torch.allclose(some_priors(None, "unit").of(classes)[0][0], (units[1] + units[3]) / 2)
    step = units[2] + 0.7 * (units[1] + units[3] - 2 * units[2])
    assert torch.allclose(some_priors(None, "neutral").of(classes)[0][0], step)
    with pytest.raises(ConfigError, match="no parts of fearfully surprised"):
        priors.require(classes, "classes")


def test_parts_by_their_weights() -> None:
    """Protects which part a weight is of: the first in the name comes first; a class with another
    number of parts weighs them equally, and equal weights are none."""
    own = some_priors().prototypes
    classes = ["happily surprised", "anger", "bored"]
    weighed = replace(some_priors(), part_weights=(1.0, 3.0))
    found = weighed.of(classes)[0]
    assert torch.allclose(found[0], 0.25 * own[1] + 0.75 * own[3])
    assert torch.allclose(found[1], own[0])
    assert torch.allclose(found[2], (own[2] + own[0] + own[3]) / 3)
    one, other = own[[0, 0, 1]], own[[1, 2, 2]]
    learnt = fit_pair_map(one, other, torch.maximum(one, other))
    for composition in COMPOSITIONS:
        plain = replace(some_priors(None, composition), pair_map=learnt)
        even = replace(plain, part_weights=(0.5, 0.5))
        assert torch.allclose(even.of(classes)[0], plain.of(classes)[0], atol=1e-6)


@pytest.mark.parametrize("composition", PROBABILITIES)
@pytest.mark.parametrize("weights", [(), (0.3, 0.7)])
def test_probabilities_of_parts_are_composed(composition: str, weights: tuple[float, ...]) -> None:
    """Without a picture the logits are the logarithm of the mean of the parts' probabilities among
    the classes of training, up to a number that all classes share."""
    priors = replace(some_priors(None, composition), part_weights=weights)
    query = torch.randn(7, 6, generator=torch.Generator().manual_seed(2))
    names, pairs = ["happily surprised", "angrily surprised", "anger"], [(1, 3), (0, 3), (0, 0)]
    bound = Method("composed", prototype_logits, priors=priors).among(names, query)
    found = bound.once(torch.zeros(3, 0, 6), query)
    sharp = 5.0 if composition == "harmonic" else 1.0
    of_part = (-sharp * torch.cdist(query, priors.prototypes).square()).softmax(dim=1).double()
    one, other = weights or (0.5, 0.5)
    first, second = (of_part[:, [pair[place] for pair in pairs]] for place in (0, 1))
    by_hand = 1 / (one / first + other / second)
    if composition == "geometric":
        by_hand = first**one * second**other
    assert torch.allclose((sharp * found).softmax(dim=1).double(), by_hand / by_hand.sum(1, True))


def test_pictures_take_over_from_probabilities() -> None:
    """With a weight of 0, and with ever more pictures, plain prototypes are what is left."""
    random = torch.Generator().manual_seed(4)
    support, query = torch.randn(3, 4, 6, generator=random), torch.randn(5, 6, generator=random)
    names, logits = ["happily surprised", "bored", "unheard of"], prototype_logits
    plain = Method("protonet", logits).among(names, query).once(support, query)
    for weight, many in ((0.0, 1), (2.0, 20_000)):
        priors = some_priors(weight, "harmonic")
        bound = Method("composed", logits, priors=priors).among(names, query)
        found = bound.once(support.repeat(1, many, 1), query)
        assert torch.allclose(found, plain, atol=1e-2)


def test_probabilities_are_for_episodes() -> None:
    """Single pictures have prototypes alone: those of the mean; queries cannot refine others."""
    priors = some_priors(2.0, "geometric")
    method = Method("composed", prototype_logits, priors=priors)
    assert not method.is_of_means
    alone = for_single_pictures(method)
    assert alone.is_of_means
    assert alone.priors == replace(priors, composition="mean")
    with pytest.raises(ConfigError, match="composed\\+tim goes on from prototypes"):
        refined(method, "tim")


def test_weights_by_hand() -> None:
    """Protects the posterior mean, none and all of the support."""
    support = torch.tensor([[[[1.0, 0.0], [3.0, 0.0]]]])
    prior, weight = torch.tensor([[[0.0, 8.0]]]), torch.tensor([[2.0]])
    assert composed_prototypes(support, prior, weight).tolist() == [[[1.0, 4.0]]]
    assert composed_prototypes(support, prior, 0 * weight).tolist() == [[[2.0, 0.0]]]
    assert composed_prototypes(support[:, :, :0], prior, 0 * weight).tolist() == prior.tolist()


@pytest.mark.parametrize("weight", [None, 4.0])
def test_a_stored_support_answers_as_an_episode(weight: float | None) -> None:
    """Protects predict: one support, stored with its priors, has the prototypes of the episode."""
    priors = some_priors(weight)
    names = ("happily surprised", "anger", "bored")
    random = torch.Generator().manual_seed(5)
    support = torch.randn(3, 5, 6, generator=random)
    query = torch.randn(7, 6, generator=random)
    asked = Method("composed", prototype_logits, priors=priors).among(names, query)
    labels = torch.arange(3).repeat_interleave(5)
    paths = tuple(f"{number}.jpg" for number in range(15))
    plain = SupportSet(names, support.flatten(0, 1), labels, paths, "weights")
    stored = with_priors(plain, priors)
    distances = -torch.cdist(query, stored.prototypes()).square()
    assert torch.allclose(asked.once(support, query), distances, atol=1e-4)
    again = with_priors(stored, priors)
    assert torch.allclose(again.prototypes(), stored.prototypes())
    assert again.paths == stored.paths
    more = with_priors(stored, priors, ["surprise"])
    assert more.class_names == (*names, "surprise")
    assert torch.isfinite(more.prototypes()).all()
    with pytest.raises(ConfigError, match="anger is there already"):
        with_priors(stored, priors, ["Angry"])


@pytest.mark.parametrize("by", method_names(refines=True))
@pytest.mark.parametrize("shot", [0, 3])
def test_refined_prototypes_are_a_support_of_their_own(by: str, shot: int) -> None:
    """Protects what queries move: each composed prototype stands for eight pictures of its class,
    and a prior is there without a single one."""
    random = torch.Generator().manual_seed(6)
    support = torch.randn(4, 3, shot, 6, generator=random)
    query = torch.randn(4, 9, 6, generator=random)
    classes = torch.tensor([[0, 1, 2], [2, 1, 0], [1, 0, 2], [0, 2, 1]])
    names = ("happily surprised", "anger", "bored")
    priors = some_priors(2.0)
    logits = find_method(by).logits
    plain = Method("composed", prototype_logits, priors=priors)
    method = refined(plain, by)
    expected = priors.of(names)[0][classes]
    prototypes = (support.sum(dim=2) + 2 * expected) / (shot + 2) if shot else expected
    eight = prototypes[:, :, None].repeat(1, 1, 8, 1)
    found = method.among(names, query)(support, query, classes)
    assert torch.allclose(found, logits(eight, query), atol=1e-4)
    assert method.uses == "names of the parts, weight 2; all queries of an episode together"
    assert for_single_pictures(method) == plain


def test_a_refined_run_answers_episodes_and_single_pictures(data: Path, command: Command) -> None:
    """The row says all that it rests on; a picture alone is answered without the others; a test
    compares it with what it is without them."""
    line = (*COMPOSED, "method.refine=bdcspn", "eval.k_shot=1", f"paths.data={data}")
    assert command("train", *line, "hydra.run.dir=run").code == 0
    row = pd.read_csv("run/results.csv").set_index("role").loc["validation"]
    assert row["method"] == "composed+bdcspn"
    assert row["uses"] == "names of the parts; all queries of an episode together"
    picture = next((data / "RAF-DB/compound/Image/aligned").glob("test_*.jpg"))
    words = (f"images={picture}", "align=false", "classes=Happily Surprised,sadly angry")
    outcome = command("predict", "run=run", *words)
    assert outcome.code == 0, outcome.err
    assert "method=composed answers" in outcome.out + outcome.err
    asked = ("test=compound_4w5s", "test.k_shot=1", "test.n_query=3", "test.episodes=20")
    assert command("test", "run=run", *asked, "methods=composed,composed+tim").code == 0
    (tested,) = Path("outputs/test").iterdir()
    methods = pd.read_csv(tested / "methods.csv")["method"].tolist()
    assert methods == ["composed+bdcspn", "composed", "composed+tim"]
    refused = command("test", "run=run", "test=afew_fixed5")
    assert refused.code == 2
    assert "method=composed+bdcspn answers all queries" in refused.err


def test_a_support_of_names_alone() -> None:
    """Protects the answer without a picture: the prototypes are the priors."""
    priors = some_priors()
    support = support_of_names(["Happily_Surprised", "neutral"], priors, "weights")
    assert support.class_names == ("happily surprised", "neutral")
    assert torch.allclose(support.prototypes(), priors.of(support.class_names)[0])
    assert support.paths[0] == "(composed: happiness + surprise)"


@pytest.fixture
def composed_run(data: Path, command: Command) -> Path:
    """A trained run that is validated without a support, in the folder `run`."""
    line = (*COMPOSED, "eval.k_shot=0", f"paths.data={data}", "hydra.run.dir=run")
    outcome = command("train", *line)
    assert outcome.code == 0, outcome.err
    return Path("run")


def test_no_shot_from_training_to_predict(
    composed_run: Path, data: Path, command: Command, tmp_path: Path
) -> None:
    """k_shot=0 works in validation, in a test and for pictures; what it knows is written down."""
    results = pd.read_csv(composed_run / "results.csv").set_index("role")
    assert results.loc["validation", "protocol"] == "compound_4w0s"
    assert results.loc["validation", "method"] == "composed"
    assert results.loc["validation", "uses"] == "names of the parts"
    line = ("test", f"run={composed_run}", "test=compound_4w5s")
    assert command(*line, "test.compound_4w5s.k_shot=0", "test.compound_4w5s.episodes=20").code == 0
    (tested,) = Path("outputs/test").iterdir()
    asked = pd.read_csv(tested / "results.csv")
    assert asked["protocol"].tolist() == ["compound_4w0s"]
    picture = next((data / "RAF-DB/compound/Image/aligned").glob("test_*.jpg"))
    words = ("predict", f"run={composed_run}", f"images={picture}", "align=false")
    outcome = command(*words, "classes=Happily Surprised,sadly angry")
    assert outcome.code == 0, outcome.err
    (folder,) = Path("outputs/predict").iterdir()
    answers = pd.read_csv(folder / "predictions.csv")
    assert answers["label"].isin(["happily surprised", "sadly angry"]).all()
    assert np.isfinite(answers["distance"]).all()
    refused = command(*words, "classes=bored,anger")
    assert refused.code == 2
    assert "support=" in refused.err
    alone = command(*words, "classes=anger")
    assert alone.code == 2
    assert "Name a second class" in alone.err
    config = composed_run / "config.yaml"
    text = config.read_text().replace("name: composed", "name: protonet")
    config.write_text(text.replace("k_shot: 0", "k_shot: 5"))
    without = command(*line, "test.compound_4w5s.k_shot=0")
    assert without.code == 2
    assert "test.compound_4w5s.k_shot=0: only method=composed or text answers" in without.err


def test_a_part_that_training_has_not_is_named(data: Path, command: Command) -> None:
    """In place of a class that silently has no parts."""
    outcome = command("train", *COMPOSED, "+method.parts.bored=[angri]", f"paths.data={data}")
    assert outcome.code == 2
    assert "method.parts.bored: angri is no class of training; did you mean anger?" in outcome.err
    assert outcome.made is None


def test_pictures_and_names_together(
    composed_run: Path, data: Path, command: Command, tmp_path: Path
) -> None:
    """A folder of one class and another by its name; stored, it answers the same."""
    pictures = sorted((data / "RAF-DB/compound/Image/aligned").glob("test_*.jpg"))
    own = tmp_path / "faces/bored"
    own.mkdir(parents=True)
    for number, picture in enumerate(pictures[:2]):
        (own / f"{number}.jpg").write_bytes(picture.read_bytes())
    words = ("predict", f"run={composed_run}", f"images={pictures[3]}", "align=false")
    names = "classes=sadly angry"
    both = command(*words, f"support={tmp_path / 'faces'}", names, "enrol=faces.pt")
    assert both.code == 0, both.err
    again = command(*words, "support=faces.pt")
    assert again.code == 0, again.err
    first, second = (pd.read_csv(f / "predictions.csv") for f in Path("outputs/predict").iterdir())
    assert first["label"].isin(["bored", "sadly angry"]).all()
    assert first["distance"].tolist() == second["distance"].tolist()


@pytest.mark.parametrize("weight", ["validation", "3"])
def test_weights_that_are_chosen_or_given(weight: str, data: Path, command: Command) -> None:
    """The weight is written beside the figures, and a test takes the same."""
    line = (*COMPOSED, f"method.prior_weight={weight}", f"paths.data={data}")
    assert command("train", *line, "hydra.run.dir=run").code == 0
    uses = pd.read_csv("run/results.csv").set_index("role").loc["validation", "uses"]
    assert uses.startswith("names of the parts, weight ")
    assert command("test", "run=run", "test=compound_4w5s", "test.compound_4w5s.k_shot=1").code == 0
    (tested,) = Path("outputs/test").iterdir()
    assert pd.read_csv(tested / "results.csv").loc[0, "uses"] == uses
