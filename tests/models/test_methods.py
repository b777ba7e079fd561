"""Every method against easyfsl's on the same random embeddings, an episode at a time there."""

from collections.abc import Callable

import pytest
import torch
from easyfsl import methods as easyfsl
from easyfsl.modules import MultiHeadAttention
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot_fer.config.conf_files import conf_dir
from fewshot_fer.models.methods import prototypes, transductive
from fewshot_fer.models.methods.learned import Feat, MatchingNetwork, RelationNetwork
from fewshot_fer.models.methods.method import untrained_method
from fewshot_fer.models.methods.prototypes import (
    COSINE_SCALE,
    COSINE_STEPS,
    DECAY,
    LINEAR_LR,
    LINEAR_STEPS,
    CosinePrototypes,
    EuclideanPrototypes,
    baseline_logits,
)
from fewshot_fer.models.methods.registry import (
    build_logits,
    find_method,
    method_names,
)

WAY, SHOT, QUERY, FEATURES = 4, 5, 3, 24
Ours = Callable[[Tensor, Tensor], Tensor]
ON_EMBEDDINGS = method_names(needs_no_training=True, on="features")
CENTRED = pytest.mark.parametrize("centred", [False, True])


def embeddings(
    seed: int,
    shot: int = SHOT,
    episodes: int = 3,
    features: int = FEATURES,
    centred: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return episodes whose classes differ, as an encoder's last ReLU gives them: from 0 up.

    centred: of unit length about their mean instead, so half of all numbers are negative.
    """
    random = torch.Generator().manual_seed(seed)
    centres = torch.rand(episodes, WAY, 1, features, generator=random)
    support = centres + 0.4 * torch.randn(episodes, WAY, shot, features, generator=random)
    query = centres + 0.4 * torch.randn(episodes, WAY, QUERY, features, generator=random)
    support, query = support.relu(), query.relu().flatten(1, 2)
    if not centred:
        return support, query
    mean = support.mean(dim=(0, 1, 2))
    return F.normalize(support - mean, dim=-1), F.normalize(query - mean, dim=-1)


def theirs(classifier: nn.Module, support: Tensor, query: Tensor) -> Tensor:
    """Return what easyfsl makes of each episode, one by one."""
    labels = torch.arange(WAY).repeat_interleave(support.shape[2])
    answers = []
    for own, asked in zip(support, query, strict=True):
        classifier.process_support_set(own.flatten(0, 1), labels)  # type: ignore[operator]
        answers.append(classifier(asked).detach())
    return torch.stack(answers)


def unit(ours: Ours) -> Ours:
    return lambda support, query: ours(F.normalize(support, dim=-1), F.normalize(query, dim=-1))


class AsTheyAre(easyfsl.LaplacianShot):
    """LaplacianShot whose prototypes no query rectifies."""

    def rectify_prototypes(self, query_features: Tensor) -> None:
        pass


PAIRS: dict[str, tuple[nn.Module, Callable[[Tensor], Tensor], bool]] = {
    "simpleshot": (easyfsl.SimpleShot(nn.Identity()), lambda logits: logits / COSINE_SCALE, False),
    "baseline++": (
        easyfsl.Finetune(nn.Identity(), fine_tuning_steps=COSINE_STEPS),
        lambda logits: logits / COSINE_SCALE,
        False,
    ),
    "bdcspn": (easyfsl.BDCSPN(nn.Identity()), lambda logits: logits / COSINE_SCALE, False),
    "laplacianshot": (easyfsl.LaplacianShot(nn.Identity()), Tensor.exp, False),
    "laplacian": (AsTheyAre(nn.Identity()), Tensor.exp, False),
    "tim": (easyfsl.TIM(nn.Identity()), lambda logits: logits / 10.0, False),
    "ptmap": (easyfsl.PTMAP(nn.Identity(), feature_normalization=2), Tensor.exp, True),
}
"""Name -> easyfsl's method, how our logits become its output, and whether it goes to unit length
itself."""


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("shot", [1, 5])
@CENTRED
def test_as_easyfsl_answers(
    name: str, shot: int, centred: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many episodes at once give what one at a time gives there, to 1e-4, step by step."""
    monkeypatch.setattr(prototypes, "COSINE_STRIDE", 1)
    monkeypatch.setattr(transductive, "TIM_STRIDE", 1)
    classifier, output, normalised = PAIRS[name]
    support, query = embeddings(shot + 10, shot, centred=centred)
    ours = find_method(name).logits
    answers = output((unit(ours) if normalised else ours)(support, query))
    assert (answers - theirs(classifier, support, query)).abs().max() < 1e-4


@pytest.mark.parametrize("name", ["baseline++", "tim"])
@pytest.mark.parametrize("shot", [1, 5])
@CENTRED
def test_longer_steps_end_where_easyfsl_does(name: str, shot: int, centred: bool) -> None:
    """Cosines to a hundredth of easyfsl's, whose own differ by tenths between classes."""
    classifier, output, _ = PAIRS[name]
    support, query = embeddings(shot + 20, shot, episodes=20, centred=centred)
    answers = output(find_method(name).logits(support, query))
    expected = theirs(classifier, support, query)
    assert (answers - expected).abs().max() < 0.01
    assert (answers.argmax(dim=2) == expected.argmax(dim=2)).float().mean() > 0.99


@CENTRED
def test_learnt_scales_as_easyfsl(centred: bool) -> None:
    """Cosine is SimpleShot's, Euclidean the squared distance, each times its scale."""
    support, query = embeddings(2, centred=centred)
    directions = theirs(easyfsl.SimpleShot(nn.Identity()), support, query)
    distances = theirs(easyfsl.PrototypicalNetworks(nn.Identity()), support, query)
    with torch.no_grad():
        by_cosine, by_distance = CosinePrototypes(), EuclideanPrototypes()
        by_cosine.scale.fill_(3.0)
        by_distance.scale.fill_(2.0)
        assert (by_cosine(support, query) / 3 - directions).abs().max() < 1e-4
        assert (by_distance(support, query) / 2 + distances.square()).abs().max() < 1e-4


@CENTRED
def test_matching_as_easyfsl(centred: bool) -> None:
    """The plain attention is theirs with readers that add nothing; the whole with the same ones."""
    support, query = embeddings(4, features=8, centred=centred)
    network = MatchingNetwork(8)
    reference = easyfsl.MatchingNetworks(
        nn.Identity(),
        feature_dimension=8,
        support_encoder=network.support_reader,
        query_encoder=network.query_reader,
    )
    with torch.no_grad():
        assert (network(support, query) - theirs(reference, support, query)).abs().max() < 1e-4
        for parameter in network.parameters():
            parameter.zero_()
        plain = find_method("matching").logits(support, query)
        assert (plain - theirs(reference, support, query)).abs().max() < 1e-4


@CENTRED
def test_feat_as_easyfsl(centred: bool) -> None:
    """The same attention, weights copied over, without dropout."""
    support, query = embeddings(5, centred=centred)
    ours = Feat(FEATURES, temperature=1.0).eval()
    attention = MultiHeadAttention(1, FEATURES, FEATURES, FEATURES).eval()
    pairs = {"w_qs": ours.asking, "w_ks": ours.answering, "w_vs": ours.value, "fc": ours.out}
    for name, layer in {**pairs, "layer_norm": ours.norm}.items():
        getattr(attention, name).load_state_dict(layer.state_dict())
    reference = theirs(easyfsl.FEAT(nn.Identity(), attention_module=attention), support, query)
    with torch.no_grad():
        assert (-ours(support, query).neg().sqrt() - reference).abs().max() < 1e-4


@CENTRED
def test_relation_as_easyfsl(centred: bool) -> None:
    """Their relation module is ours with a sigmoid behind; batch norms as in evaluation."""
    channels = 6
    support, query = embeddings(6, features=channels * 16, centred=centred)
    ours = RelationNetwork(channels).eval()
    module = nn.Sequential(ours.relation, nn.Sigmoid())
    reference = easyfsl.RelationNetworks(
        nn.Unflatten(1, (channels, 4, 4)), feature_dimension=channels, relation_module=module
    ).eval()
    with torch.no_grad():
        answers = ours(support, query).sigmoid()
        assert (answers - theirs(reference, support, query)).abs().max() < 1e-4


@CENTRED
def test_baseline_against_a_plain_loop(centred: bool) -> None:
    """Coefficients of support images are the weights of a linear layer, found step by step."""
    support, query = embeddings(7, centred=centred)
    answers = baseline_logits(support, query)
    labels = torch.arange(WAY).repeat_interleave(SHOT)
    for episode in range(len(support)):
        own = F.pad(support[episode].flatten(0, 1), (0, 1), value=1.0)
        rate = LINEAR_LR / own.square().sum(dim=1).mean() * len(own)
        weight = torch.zeros(WAY, FEATURES + 1, requires_grad=True)
        for _ in range(LINEAR_STEPS):
            loss = F.cross_entropy(own @ weight.T, labels)
            loss = loss + DECAY / 2 * weight.square().sum()
            (slope,) = torch.autograd.grad(loss, weight)
            weight = (weight - rate * slope).detach().requires_grad_()
        expected = F.pad(query[episode], (0, 1), value=1.0) @ weight.T
        assert (answers[episode] - expected).abs().max() < 1e-4


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(ON_EMBEDDINGS), st.integers(1, 4), st.integers(0, 99))
def test_no_episode_sees_another(name: str, shot: int, seed: int) -> None:
    """However episodes are put together, each has the logits that it has alone."""
    support, query = embeddings(seed, shot, episodes=3)
    logits = untrained_method(name).logits
    whole = logits(support, query)
    assert whole.shape == (3, WAY * QUERY, WAY)
    assert torch.isfinite(whole).all()
    alone = torch.cat([logits(support[n : n + 1], query[n : n + 1]) for n in range(3)])
    assert torch.allclose(whole, alone, atol=1e-4)


def test_each_method_has_a_file() -> None:
    """Names are checked without torch by the files of conf/method/, so both must be the same."""
    methods = (find_method(name) for name in method_names())
    own = {each.name for each in methods if each.source.__module__.startswith("fewshot_fer.")}
    assert own == {path.stem for path in (conf_dir() / "method").iterdir()}


@pytest.mark.parametrize("name", method_names(needs_episodes=True))
def test_trained_methods_can_learn(name: str) -> None:
    """A gradient reaches every weight, and the embeddings."""
    support, query = embeddings(1, features=16)
    support.requires_grad_()
    method = build_logits(name, 16, 4)
    assert isinstance(method, nn.Module)
    logits = method(support, query)
    labels = torch.arange(WAY).repeat_interleave(QUERY).repeat(len(support))
    F.cross_entropy(logits.flatten(0, 1), labels).backward()
    assert support.grad is not None
    assert all(parameter.grad is not None for parameter in method.parameters())
