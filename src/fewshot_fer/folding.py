"""An encoder as it is evaluated: batch norms folded into the convolutions before them."""

import copy
import warnings

import torch
from torch import nn

from fewshot_fer.models.folded_conv4 import FoldedConv4
from fewshot_fer.shared_batch_norm import unshare_batch_norms


def fold_batch_norms(encoder: nn.Module) -> nn.Module:
    """Return a copy of an encoder in eval mode, in channels_last memory, its batch norms folded.

    In eval mode a batch norm is a fixed scale and shift, so it can be part of the convolution: the
    same function up to rounding. An encoder that cannot be traced is copied as it is.
    """
    if FoldedConv4.takes(encoder):
        return FoldedConv4(encoder)
    from torch.fx.experimental.optimization import fuse

    folded = copy.deepcopy(encoder).eval()
    unshare_batch_norms(folded)  # only plain ones are folded
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing remarks on models that are none of ours
        try:
            folded = fuse(folded)
        except Exception:  # whatever a foreign model's own code raises when it is traced
            folded = folded.eval()
    return folded.requires_grad_(False).to(memory_format=torch.channels_last)
