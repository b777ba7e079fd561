"""Few-shot methods, a file a family, all with one contract, `LogitsFunction`:
(support [E, way, shot, D], query [E, Q, D]) -> logits [E, Q, way], with no loop over episodes.

Methods by name: which need training, what they know beside an episode's support.
"""

from dataclasses import dataclass

from fewshot_fer.models import LogitsFunction
from fewshot_fer.models.methods.baseline import baseline_logits, baseline_plus_plus_logits
from fewshot_fer.models.methods.feat import Feat
from fewshot_fer.models.methods.matching import MatchingNetwork, matching_logits
from fewshot_fer.models.methods.method import TRANSDUCTIVE
from fewshot_fer.models.methods.prototypes import (
    CosinePrototypes,
    EuclideanPrototypes,
    prototype_logits,
    simpleshot_logits,
)
from fewshot_fer.models.methods.relation import RelationNetwork
from fewshot_fer.models.methods.transductive import (
    bdcspn_logits,
    laplacianshot_logits,
    ptmap_logits,
    tim_logits,
)

EVEN = f"{TRANSDUCTIVE}, equally many a class"


@dataclass(frozen=True)
class Untrained:
    """A method without weights of its own, which any encoder's embeddings can be put to.

    queries: as in Method; normalise: how its paper has embeddings, "" for as they come.
    """

    logits: LogitsFunction
    queries: str = ""
    normalise: str = ""


UNTRAINED = {
    "protonet": Untrained(prototype_logits),
    "simpleshot": Untrained(simpleshot_logits, normalise="cl2n"),
    "matching": Untrained(matching_logits),
    "baseline": Untrained(baseline_logits, normalise="cl2n"),
    "baseline++": Untrained(baseline_plus_plus_logits, normalise="cl2n"),
    "bdcspn": Untrained(bdcspn_logits, TRANSDUCTIVE, "cl2n"),
    "laplacianshot": Untrained(laplacianshot_logits, TRANSDUCTIVE, "cl2n"),
    "tim": Untrained(tim_logits, TRANSDUCTIVE, "cl2n"),
    "ptmap": Untrained(ptmap_logits, EVEN, "l2"),
}
LEARN_BY_THEMSELVES = ("protonet", "simpleshot", "matching")  # of these, those a loss goes through
TRAINED = ("cosine", "euclidean", "matching_fce", "relation", "feat")


def build_logits(name: str, n_features: int, channels: int) -> LogitsFunction:
    """Return what makes logits for `method.name`; an nn.Module where it has weights to train.

    n_features: of an embedding; channels: of the maps that it is the flattened form of. For all
    that do not learn through their own logits these are the prototypes': a classifier's features,
    composed classes, and methods that fit something to each episode.
    """
    if name == "cosine":
        return CosinePrototypes()
    if name == "euclidean":
        return EuclideanPrototypes()
    if name == "matching_fce":
        return MatchingNetwork(n_features)
    if name == "relation":
        return RelationNetwork(channels)
    if name == "feat":
        return Feat(n_features)
    if name in LEARN_BY_THEMSELVES:
        return UNTRAINED[name].logits
    return prototype_logits
