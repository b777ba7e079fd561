"""DeepBDC: a picture as the Brownian distance covariance of its channels, then class means."""

import math

import torch
from torch import Tensor, nn

from fewshot_fer.models.methods.feature_maps import descriptors
from fewshot_fer.models.methods.prototypes import prototype_logits
from fewshot_fer.models.methods.registry import AS_MAPS, MAPS, register_method
from fewshot_fer.system.errors import ConfigError

ROUNDED = 1e-5  # added to squared distances before their root, as the authors' code has it
MOST = 1024  # channels: a matrix of more is 4 MB and above for each picture
AT_ONCE = 16 * 1024**2  # bytes of matrices at a time


@register_method("deepbdc", on=MAPS, untrained=True, refuses=AS_MAPS)
class DeepBDC(nn.Module):
    """Meta DeepBDC (Xie et al., CVPR 2022, section 3).

    With x_k the values of channel k over all H * W places of a picture's maps,

        A^_kl = sqrt(exp(t) |x_k - x_l|^2)
        A = A^ - 1/d (1 A^ + A^ 1) + 1/d^2 1 A^ 1            (1: all ones; d channels)

    and a picture is the upper triangle of A with its diagonal. A class is the mean of its support;
    the logit is minus the squared distance to it or, at one shot, the inner product, as in the code
    of its authors. t is learnt in episodes and starts at log(1 / (2 H W)). The 1x1 convolution that
    makes the paper's d 640 or less is part of its encoder, and not here.
    """

    def __init__(self, n_features: int, channels: int) -> None:
        super().__init__()
        if channels > MOST:
            raise ConfigError(
                f"method=deepbdc: {channels} channels make a matrix of {channels} x {channels} for "
                f"each picture; take an encoder of {MOST} channels or fewer, as conv4 or resnet18"
            )
        self.channels = channels
        self.temperature = nn.Parameter(torch.tensor(-math.log(2 * n_features / channels)))

    def forward(self, support: Tensor, query: Tensor) -> Tensor:
        """Return logits [E, Q, way] from flattened maps, support [E, way, shot, C * H * W] and
        query [E, Q, C * H * W]."""
        pictures = support.shape[1] * support.shape[2] + query.shape[1]
        size = max(1, AT_ONCE // (4 * pictures * self.channels**2))
        pairs = zip(torch.split(support, size), torch.split(query, size), strict=True)
        return torch.cat([self._logits(*pair) for pair in pairs])

    def _logits(self, support: Tensor, query: Tensor) -> Tensor:
        own, others = self.covariances(support), self.covariances(query)
        if support.shape[2] > 1:
            return prototype_logits(own, others)
        return others @ own[:, :, 0].mT

    def covariances(self, embeddings: Tensor) -> Tensor:
        """Return the upper triangles [.., d (d + 1) / 2] of flattened maps [.., d * H * W]."""
        maps = descriptors(embeddings, self.channels).mT
        inner = maps @ maps.mT
        lengths = inner.diagonal(dim1=-2, dim2=-1)
        squared = (lengths[..., :, None] + lengths[..., None, :] - 2 * inner).clamp_min(0)
        apart = (self.temperature.exp() * squared + ROUNDED).sqrt()
        rows = apart.mean(dim=-1, keepdim=True)
        centred = apart - rows - rows.mT + rows.mean(dim=-2, keepdim=True)
        first, second = torch.triu_indices(self.channels, self.channels, device=maps.device)
        return centred[..., first, second]
