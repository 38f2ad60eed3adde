"""B-LeNet: BranchyNet's LeNet with its branch, cut after the first pooling.

Layers, kernel sizes and paddings are those of the authors' code (Teerapittayanon, McDanel, Kung,
ICPR 2016), pooling rounds sizes up as theirs did. Batch norm only helps training: it is folded
into the convolutions at export. The bottleneck at the cut is this project's own.
"""

from __future__ import annotations

from torch import nn

from ..network import ConvBn, ConvPoolNorm, Network, Normalise, Segment
from .blocks import Residual

CODE_CHANNELS = 6
CODE_BITS = 3


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(2, ceil_mode=True)


def _encoder() -> nn.Module:
    """5x15x15 features to CODE_CHANNELS x 4 x 4; about 85,000 multiply-accumulates."""
    return nn.Sequential(
        ConvBn(nn.Conv2d(5, 16, 3, stride=2, padding=1, bias=False)),
        nn.ReLU(),
        ConvBn(nn.Conv2d(16, 16, 3, stride=2, padding=1, bias=False)),
        nn.ReLU(),
        ConvBn(nn.Conv2d(16, CODE_CHANNELS, 1, bias=False)),
    )


def _decoder(width: int) -> nn.Module:
    """De-quantised codes to the 5x15x15 features the authors' remaining layers take."""
    return nn.Sequential(
        ConvBn(nn.Conv2d(CODE_CHANNELS, width, 3, padding=1, bias=False)),
        nn.ReLU(),
        Residual(width),
        ConvBn(nn.ConvTranspose2d(width, width // 2, 2, stride=2, bias=False)),
        nn.ReLU(),
        Residual(width // 2),
        ConvBn(nn.ConvTranspose2d(width // 2, 5, 3, stride=2, padding=1, bias=False)),
        nn.ReLU(),
    )


def b_lenet(mean: tuple[float, ...], std: tuple[float, ...]) -> Network:
    """The two segments: the device's with the branch, the cloud's with the final exit."""
    device = Segment(
        "s0",
        trunk=nn.Sequential(
            ConvPoolNorm(nn.Conv2d(1, 5, 5, padding=3, bias=False), _pool()),  # 5 x 15 x 15
            nn.ReLU(),
        ),
        head=nn.Sequential(
            ConvPoolNorm(nn.Conv2d(5, 10, 3, padding=1, bias=False), _pool()),  # 10 x 8 x 8
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(640, 10),
        ),
        encoder=_encoder(),
        bits=CODE_BITS,
    )
    cloud = Segment(
        "s1",
        decoder=_decoder(64),
        trunk=nn.Sequential(
            ConvPoolNorm(nn.Conv2d(5, 10, 5, padding=3, bias=False), _pool()),  # 10 x 9 x 9
            nn.ReLU(),
            ConvPoolNorm(nn.Conv2d(10, 20, 5, padding=3, bias=False), _pool()),  # 20 x 6 x 6
            nn.ReLU(),
        ),
        head=nn.Sequential(nn.Flatten(), nn.Linear(720, 84), nn.Linear(84, 10)),
    )
    return Network(Normalise(mean, std), [device, cloud])
