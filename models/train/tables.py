"""The entropy coder's tables: contexts of codes, counting, integer frequencies and code lengths.

The context of the code at (channel c, row y, column x) is ((c*4 + q(left))*4 + q(up))*4 +
q(previous channel, same place), q(v) = v >> max(0, bits-2); a neighbour outside counts as value 0.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

TOTAL = 1 << 14
PRIOR_WEIGHT = 4.0  # observations' worth of the channel's own marginal mixed into every context


def contexts(codes: Tensor, bits: int) -> Tensor:
    """Context numbers int64 [N, c, h, w] of integer codes of the same shape."""
    coarse = codes.long() >> max(0, bits - 2)
    left = F.pad(coarse, (1, 0))[..., :-1]
    up = F.pad(coarse, (0, 0, 1, 0))[..., :-1, :]
    before = F.pad(coarse, (0, 0, 0, 0, 1, 0))[:, :-1]
    channel = torch.arange(codes.shape[1]).view(1, -1, 1, 1)
    return ((channel * 4 + left) * 4 + up) * 4 + before


def count(codes: Tensor, weights: Tensor, bits: int) -> Tensor:
    """Counts float64 [contexts, levels] of codes [N, c, h, w], one weight per image [N]."""
    levels = 1 << bits
    slots = (contexts(codes, bits) * levels + codes.long()).flatten()
    shares = weights.double().view(-1, 1, 1, 1).expand(codes.shape).flatten()
    total = torch.bincount(slots, shares, minlength=codes.shape[1] * 64 * levels)
    return total.view(-1, levels)


def probabilities(counts: Tensor) -> Tensor:
    """Smoothed probabilities [contexts, levels]: rare contexts lean on their channel's marginal."""
    per_channel = counts.view(-1, 64, counts.shape[1]).sum(1) + 1
    marginal = (per_channel / per_channel.sum(1, keepdim=True)).repeat_interleave(64, 0)
    mixed = counts + PRIOR_WEIGHT * marginal
    return mixed / mixed.sum(1, keepdim=True)


def integer_tables(counts: Tensor) -> np.ndarray:
    """Frequencies uint16 [contexts, levels]: every row sums to 2^14, every entry is at least 1."""
    wanted = probabilities(counts.double()).numpy() * TOTAL
    table = np.maximum(1, np.floor(wanted)).astype(np.int64)
    for row, ideal in zip(table, wanted, strict=True):
        while (missing := TOTAL - row.sum()) != 0:
            step = 1 if missing > 0 else -1
            gain = np.where((row > 1) | (step > 0), step * (ideal - row), -np.inf)
            row[np.argmax(gain)] += step
    return table.astype("<u2")


def code_bits(codes: Tensor, tables: np.ndarray, bits: int) -> np.ndarray:
    """Ideal code length in bits per image, float64 [N], of codes [N, c, h, w]."""
    lengths = torch.from_numpy(-np.log2(tables.astype(np.float64) / TOTAL))
    return lengths[contexts(codes, bits), codes.long()].sum((1, 2, 3)).numpy()


class RateModel(nn.Module):
    """The tables while training: running counts, and a code length with a gradient.

    Between two neighbouring levels the length is interpolated linearly, so its slope is the true
    saving of stepping to the next level; contexts are taken as given.
    """

    def __init__(self, channels: int, bits: int, decay: float = 0.98) -> None:
        super().__init__()
        self.bits = bits
        self.decay = decay
        counts = torch.ones(channels * 64, 1 << bits, dtype=torch.float64)
        self.register_buffer("counts", counts)

    def observe(self, values: Tensor, weights: Tensor) -> None:
        """Takes up the codes of a batch of real-valued levels [N, c, h, w], image weights [N]."""
        fresh = count(values.detach().round(), weights.detach(), self.bits)
        self.counts = self.decay * self.counts + fresh

    def bits_per_image(self, values: Tensor) -> Tensor:
        """Code length in bits per image [N] of real-valued levels [N, c, h, w]."""
        lengths = -probabilities(self.counts).log2().float()
        context = contexts(values.detach().round(), self.bits)
        floor = values.detach().floor().clamp(0, (1 << self.bits) - 2).long()
        low, high = lengths[context, floor], lengths[context, floor + 1]
        return (low + (values - floor) * (high - low)).sum((1, 2, 3))
