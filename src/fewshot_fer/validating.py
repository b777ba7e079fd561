"""The weights of this moment made ready to answer: embedder, method, and the training side."""

from dataclasses import dataclass

from torch import Tensor

from fewshot_fer.config import TrainVerb
from fewshot_fer.embedding import Embedder
from fewshot_fer.learning import Learning
from fewshot_fer.method_choice import answering_method, choose_prior_weight, reweighted
from fewshot_fer.method_settings import VALIDATION
from fewshot_fer.models.answering import AnsweringMethod
from fewshot_fer.network import Network
from fewshot_fer.normalising import Normalisation
from fewshot_fer.parts import EpisodicPart, Part
from fewshot_fer.support_set import state_digest
from fewshot_fer.training_side import TrainingSide, gather_training_side


@dataclass(frozen=True)
class Ready:
    """side, prior_weight: None where the method needs none, or no such choice is made."""

    network: Network
    embedder: Embedder
    method: AnsweringMethod
    side: TrainingSide | None
    prior_weight: float | None


def make_ready(
    settings: TrainVerb, learning: Learning, training: EpisodicPart, validation: Part
) -> Ready:
    """Fold the weights into an embedder and gather what its method must know.

    The embeddings of training images are centred in the next epoch as they are found here.
    """
    network = learning.answering
    network.modules().eval()
    names = training.role.pool.class_names
    head = network.head if settings.method.name == "classifier" else None
    embedder = Embedder(network.encoder, learning.dtype, head, names)
    kind, side = settings.method.normalise, None
    if kind == "cl2n" or settings.method.name == "composed":
        side = gather_training_side(embedder, training, settings.seed)
    learning.normalisation = side.normalisation(kind) if side else Normalisation(kind)
    embedder = embedder.normalised(learning.normalisation)
    method, weight = answering_method(settings.method, network.logits, side), None
    if method.priors is not None and settings.method.prior_weight == VALIDATION:
        weight = choose_prior_weight(embedder, method, validation, settings.seed)
        method = reweighted(method, weight)
    return Ready(network, embedder, method, side, weight)


def embedding_digest(encoder: dict[str, Tensor], embedder: Embedder) -> str:
    """Return 16 hex digits that say which weights and which normalisation made an embedding."""
    return state_digest({**encoder, **embedder.normalisation.state()})
