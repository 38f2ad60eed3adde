"""B-AlexNet: BranchyNet's AlexNet with its two branches, cut where the branches leave.

Layers, kernel sizes and places of the branches are those of the authors' code (Teerapittayanon,
McDanel, Kung, ICPR 2016): the first branch leaves behind the second convolution, the second behind
the third. The text of the paper puts the first behind the first convolution. Batch norm stands where
they had local response normalisation, and pools keep 8 x 8 and 4 x 4. The bottlenecks are ours.
"""

from __future__ import annotations

from torch import nn

from ..baseline import Baseline
from ..network import ConvPoolNorm, Network, Normalise, Segment
from .blocks import Residual, conv

WIDTH = 128  # channels of the decoder behind the first cut


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, 2, padding=1)


def _pooled(inside: int, outside: int, size: int) -> ConvPoolNorm:
    convolution = nn.Conv2d(inside, outside, size, padding=size // 2, bias=False)
    return ConvPoolNorm(convolution, _pool())


def _front() -> nn.Module:
    """Image 3 x 32 x 32 to 64 x 8 x 8."""
    return nn.Sequential(
        _pooled(3, 32, 5),  # 32 x 16 x 16
        nn.ReLU(),
        _pooled(32, 64, 5),  # 64 x 8 x 8
        nn.ReLU(),
    )


def _near_trunk() -> nn.Module:
    """64 x 8 x 8 to 96 x 8 x 8."""
    return nn.Sequential(conv(64, 96), nn.ReLU())


def _far_trunk() -> nn.Module:
    """96 x 8 x 8 to 64 x 4 x 4."""
    return nn.Sequential(conv(96, 96), nn.ReLU(), _pooled(96, 64, 3), nn.ReLU())


def _last_head(classes: int) -> nn.Module:
    """64 x 4 x 4 to logits, three linear layers as the authors have them."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(1024, 256),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(256, 128),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(128, classes),
    )


def b_alexnet_baseline(
    mean: tuple[float, ...], std: tuple[float, ...], classes: int = 10
) -> Baseline:
    """AlexNet as the authors made it fit CIFAR-10, without branches."""
    front, trunks = _front(), [_near_trunk(), _far_trunk()]
    return Baseline(Normalise(mean, std), front, trunks, _last_head(classes))


def b_alexnet(mean: tuple[float, ...], std: tuple[float, ...], classes: int = 10) -> Network:
    """Three segments, each ending where the authors' code has an exit."""
    device = Segment(
        "s0",
        trunk=_front(),
        head=nn.Sequential(
            conv(64, 32),
            nn.ReLU(),
            _pooled(32, 32, 3),  # 32 x 4 x 4
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(512, classes),
        ),
        encoder=nn.Sequential(conv(64, 64, 1), nn.ReLU(), conv(64, 16, 1)),
        bits=3,
    )
    near = Segment(
        "s1",
        decoder=nn.Sequential(
            conv(16, WIDTH), nn.ReLU(), Residual(WIDTH), conv(WIDTH, 64), nn.ReLU()
        ),
        trunk=_near_trunk(),
        head=nn.Sequential(
            nn.MaxPool2d(2),
            _pooled(96, 32, 3),  # 32 x 2 x 2
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(128, classes),
        ),
        encoder=nn.Sequential(conv(96, 64, 1), nn.ReLU(), conv(64, 8, 1)),
        bits=3,
    )
    far = Segment(
        "s2",
        decoder=nn.Sequential(conv(8, 96), nn.ReLU(), Residual(96)),
        trunk=_far_trunk(),
        head=_last_head(classes),
    )
    return Network(Normalise(mean, std), [device, near, far])
