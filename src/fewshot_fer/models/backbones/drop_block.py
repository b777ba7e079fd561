"""DropBlock: dropout of square blocks of feature maps."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE = 5  # pixels of a block, as Lee et al. (CVPR 2019) and Tian et al. (ECCV 2020) take


class DropBlock(nn.Module):
    """In training, sets squares of each map to 0 and scales the rest up; in evaluation, nothing.

    Neighbours in a map are alike, so single pixels that are dropped are known from those around
    them; whole blocks are not. Ghiasi, Lin and Le, "DropBlock", NeurIPS 2018, algorithm 1. The rate
    is the same at each step, where they let it rise.

    rate: share of pixels that are dropped, a little less where blocks overlap; side: of a block in
    pixels, at most that of the maps. Draws from torch's own random state, as dropout does.
    """

    def __init__(self, rate: float, side: int = SIDE) -> None:
        super().__init__()
        self.rate, self.side = rate, side

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps [B, C, H, W]; each map has blocks of its own."""
        if not self.training or self.rate == 0:
            return maps
        *first, height, width = maps.shape
        high, wide = min(self.side, height), min(self.side, width)
        corners = (height - high + 1, width - wide + 1)  # where a whole block can begin
        probability = self.rate / (high * wide) * (height * width) / (corners[0] * corners[1])
        begins = (torch.rand(*first, *corners, device=maps.device) < probability).to(maps.dtype)
        padded = F.pad(begins, (wide - 1, wide - 1, high - 1, high - 1))
        kept = 1 - F.max_pool2d(padded, (high, wide), stride=1)
        return maps * kept * (kept.numel() / kept.sum().clamp(min=1))
