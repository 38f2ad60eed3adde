"""Building blocks that several networks share."""

from __future__ import annotations

from torch import Tensor, nn

from ..network import ConvBn


def conv(inside: int, outside: int, size: int = 3, stride: int = 1) -> ConvBn:
    """A convolution that keeps the picture's size but for its stride, with batch norm."""
    padding = (size - 1) // 2
    return ConvBn(nn.Conv2d(inside, outside, size, stride, padding, bias=False))


class Residual(nn.Module):
    """Two 3x3 convolutions around a shortcut, [N, channels, h, w] in and out."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv(channels, channels)
        self.second = conv(channels, channels)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(x + self.second(self.relu(self.first(x))))
