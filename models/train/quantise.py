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
        self.absent = self.levels // 2  # the level that stands for a channel that was not sent

    def values(self, encoded: Tensor) -> Tensor:
        """Real-valued levels in 0..levels-1 of an unbounded tensor."""
        # Asked for only where it is needed: exported, a cast to the type that is there is one node more.
        exact = encoded if encoded.dtype == torch.float32 else encoded.float()
        return torch.sigmoid(exact) * (self.levels - 1)

    def soft_codes(self, values: Tensor, hardness: float) -> Tensor:
        """Levels moved towards their rounding: by nothing at hardness 0, wholly at 1.

        The gradient is that of `values`, as though nothing had been rounded.
        """
        return values + hardness * (values.round() - values).detach()

    def keep(self, levels: Tensor, channels: Tensor) -> Tensor:
        """Levels [N, c, h, w] as received when of image n only the first channels[n] were sent."""
        number = torch.arange(levels.shape[1]).view(1, -1, 1, 1)
        return torch.where(number < channels.view(-1, 1, 1, 1), levels, float(self.absent))

    def codes(self, encoded: Tensor) -> Tensor:
        """Codes uint8, as they are sent."""
        return self.values(encoded).round().to(torch.uint8)

    def dequantise(self, codes: Tensor) -> Tensor:
        """Codes (uint8 or float levels) to floats in -1..1."""
        middle = (self.levels - 1) / 2
        return (codes.float() - middle) / middle


def draw_kept(rates: tuple[int, ...], images: int, fewer_share: float) -> Tensor:
    """Channels that each image sends across the first cut [N]; `fewer_share` of them a lower rate's."""
    kept = torch.full((images,), rates[-1])
    fewer = torch.rand(images) < fewer_share
    lower = torch.tensor(rates[:-1] or rates)
    drawn = lower[torch.randint(len(lower), (images,))]
    return torch.where(fewer, drawn, kept)
