"""StreamingLLM's choice of rows (arXiv:2309.17453, section 3.2)."""

import torch
from torch import Tensor


def kept_rows(seen: int, kept: int, sinks: int) -> Tensor:
    """The first `sinks` rows and the most recent ones, `kept` in all, ascending, [kept]."""
    sinks = min(sinks, kept)
    return torch.cat([torch.arange(sinks), torch.arange(seen - (kept - sinks), seen)])
