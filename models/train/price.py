"""The price of a bit at a cut, which finds itself."""

from __future__ import annotations

import torch
from torch import nn


class Price(nn.Module):
    """Loss per bit at one cut, moved after every step so that the mean comes to the wanted bytes."""

    def __init__(self, wanted_bytes: float, start: float = 1e-5, speed: float = 0.02) -> None:
        super().__init__()
        self.wanted = wanted_bytes
        self.speed = speed
        self.register_buffer("per_bit", torch.tensor(start))

    def move(self, mean_bytes: float) -> None:
        """Dearer after more bytes than wanted, cheaper after fewer."""
        excess = max(-1.0, min(1.0, mean_bytes / self.wanted - 1))
        self.per_bit.mul_(1 + self.speed * excess).clamp_(1e-7, 1e-2)
