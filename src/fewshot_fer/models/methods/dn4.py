"""DN4: each place of a query's feature maps looks for its nearest places in each class."""

from torch import Tensor, nn
from torch.nn import functional as F

from fewshot_fer.models.methods.feature_maps import descriptors
from fewshot_fer.models.methods.registry import AS_MAPS, MAPS, register_method

NEIGHBOURS = 3  # k of the paper


@register_method("dn4", on=MAPS, untrained=True, refuses=AS_MAPS)
class DN4(nn.Module):
    """Deep nearest neighbour neural network (Li et al., CVPR 2019, section 3.3).

    A query's maps are its local descriptors x_i, one a place; a class is the set of all places of
    its support's maps. With the k nearest x^j of x_i in that set by cosine, k = NEIGHBOURS,

        logit = sum over places i, sum over j = 1..k of cos(x_i, x^j)

    It has no weights of its own; an encoder learns through it in episodes.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, support: Tensor, query: Tensor) -> Tensor:
        """Return logits [E, Q, way] from flattened maps, support [E, way, shot, C * H * W] and
        query [E, Q, C * H * W]."""
        of_class = F.normalize(descriptors(support, self.channels), dim=-1).flatten(2, 3)
        of_query = F.normalize(descriptors(query, self.channels), dim=-1)
        # [E, way, Q * places, shot * places]
        cosines = of_query.flatten(1, 2)[:, None] @ of_class.mT
        nearest = cosines.topk(min(NEIGHBOURS, cosines.shape[-1]), dim=-1).values.sum(dim=-1)
        return nearest.view(*nearest.shape[:2], *of_query.shape[1:3]).sum(dim=-1).mT
