"""B-ResNet: a residual network in three segments, made around its cuts.

The cloud's segments are the larger part of an ordinary residual network, the `baseline`, which is
trained first and by itself. Its first layers, at the picture's full size, are too dear for a device.
In their place the device has a small trunk with the branch, and what is sent is read off at three
resolutions: the picture itself, and the trunk's features before and after its second halving. The
cloud rebuilds from it the features that the baseline's first layers would have given.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..baseline import Baseline
from ..network import ConvPoolNorm, Network, Normalise, Segment
from .blocks import Residual, conv

FINE, COARSE = 24, 64  # channels of the device at 16 x 16 and at 8 x 8
FIRST, SECOND, THIRD = 64, 160, 320  # channels of the baseline at 16 x 16, 8 x 8 and 4 x 4
CODE_CHANNELS, CODE_BITS = 16, 3


class ThreeResolutions(nn.Module):
    """Device trunk: image float [N, 3, 32, 32] to features [N, 48 + 4 * FINE + COARSE, 8, 8].

    First the picture and then the 16 x 16 features, each with the neighbours of a place side by side.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(conv(3, FINE, 4, 2), nn.ReLU(), Residual(FINE))
        self.coarse = nn.Sequential(conv(FINE, COARSE, 3, 2), nn.ReLU(), Residual(COARSE))

    def forward(self, x: Tensor) -> Tensor:
        fine = self.fine(x)
        parts = [F.pixel_unshuffle(x, 4).to(fine.dtype), F.pixel_unshuffle(fine, 2)]
        return torch.cat([*parts, self.coarse(fine)], 1)


class CoarseHead(nn.Module):
    """The branch: the coarse channels of the features to logits [N, classes]."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.deeper = nn.Sequential(conv(COARSE, 128, 3, 2), nn.ReLU())
        self.linear = nn.Linear(128, classes)

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(self.deeper(features[:, -COARSE:]).mean((2, 3)))


class PooledHead(nn.Module):
    """Mean and maximum over the places of [N, channels, h, w], then a linear layer to logits."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * channels, classes)

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1))


def _halved(inside: int, outside: int) -> ConvPoolNorm:
    """A convolution at full size and a pool behind it: four times a strided one's cost, and better."""
    return ConvPoolNorm(nn.Conv2d(inside, outside, 3, padding=1, bias=False), nn.MaxPool2d(2))


def _encoder() -> nn.Module:
    """The features of three resolutions to CODE_CHANNELS x 8 x 8."""
    inside = 48 + 4 * FINE + COARSE
    return nn.Sequential(conv(inside, 96, 1), nn.ReLU(), conv(96, CODE_CHANNELS, 1))


def _near_trunk() -> nn.Module:
    """FIRST x 16 x 16 to THIRD x 4 x 4."""
    return nn.Sequential(
        Residual(FIRST),
        _halved(FIRST, SECOND),
        nn.ReLU(),
        Residual(SECOND),
        conv(SECOND, THIRD, 3, 2),
        nn.ReLU(),
    )


def b_resnet_baseline(mean: tuple[float, ...], std: tuple[float, ...], classes: int = 10) -> Baseline:
    """The residual network that the cloud's segments are taken from."""
    front = nn.Sequential(conv(3, 32), nn.ReLU(), conv(32, FIRST), nn.ReLU(), nn.MaxPool2d(2))
    trunks = [_near_trunk(), Residual(THIRD)]
    return Baseline(Normalise(mean, std), front, trunks, PooledHead(THIRD, classes))


def b_resnet(mean: tuple[float, ...], std: tuple[float, ...], classes: int = 10) -> Network:
    """Three segments: the device's with the branch, two of the cloud's with an exit each."""
    device = Segment(
        "s0",
        trunk=ThreeResolutions(),
        head=CoarseHead(classes),
        encoder=_encoder(),
        bits=CODE_BITS,
    )
    near = Segment(
        "s1",
        decoder=nn.Sequential(
            conv(CODE_CHANNELS, 4 * FIRST), nn.ReLU(), nn.PixelShuffle(2), conv(FIRST, FIRST), nn.ReLU()
        ),
        trunk=_near_trunk(),
        head=PooledHead(THIRD, classes),
        encoder=conv(THIRD, 32, 1),
        bits=4,
    )
    far = Segment(
        "s2",
        decoder=nn.Sequential(conv(32, THIRD), nn.ReLU()),
        trunk=Residual(THIRD),
        head=PooledHead(THIRD, classes),
    )
    return Network(Normalise(mean, std), [device, near, far])
