"""SimpleShot: the nearest class mean, by direction."""

from torch import Tensor

from fewshot_fer.models.methods.cosine import SCALE, cosine


def simpleshot_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return SCALE times the cosine [E, Q, way] to the class means (Wang et al., SimpleShot,
    arXiv:1911.04623).

    Their rule is argmin over classes c of |q - m_c|, with m_c the mean of a class's support and
    embeddings centred and at unit length (CL2N). There |q - m|^2 = 1 + |m|^2 - 2 <q, m>; the cosine
    leaves out the length of m, as easyfsl does. At one shot both have the same order.
    """
    return SCALE * cosine(support, query)
