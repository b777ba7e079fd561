"""Methods by name."""

from fewshot_fer.models import Method
from fewshot_fer.models.protonet import prototype_logits


def build_logits(name: str, n_features: int) -> Method:
    """Return what makes logits for `method.name`; an nn.Module where it has weights to train.

    A classifier's features are scored by nearest prototype too, beside its own answers.
    """
    return prototype_logits
