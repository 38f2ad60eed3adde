"""The quantiser at a cut: real values to codes 0..2^bits-1 and back, trainable straight through."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Quantiser(nn.Module):
    """Uniform quantiser of an encoder's output; its scale and offset are the encoder's last layer.

    torch.round and ONNX Round both round halves to even, so both give the same codes.
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        if not 1 <= bits <= 8:
            raise ValueError(f"bits is {bits}: expected 1 to 8")
        self.bits = bits
        self.levels = 1 << bits

    def values(self, encoded: Tensor) -> Tensor:
        """Real-valued levels in 0..levels-1 of an unbounded tensor."""
        return torch.sigmoid(encoded) * (self.levels - 1)

    def soft_codes(self, values: Tensor, hardness: float) -> Tensor:
        """Levels moved towards their rounding: by nothing at hardness 0, wholly at 1.

        The gradient is that of `values`, as though nothing had been rounded.
        """
        return values + hardness * (values.round() - values).detach()

    def codes(self, encoded: Tensor) -> Tensor:
        """Codes uint8, as they are sent."""
        return self.values(encoded).round().to(torch.uint8)

    def dequantise(self, codes: Tensor) -> Tensor:
        """Codes (uint8 or float levels) to floats in -1..1."""
        middle = (self.levels - 1) / 2
        return (codes.float() - middle) / middle
