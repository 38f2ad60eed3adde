"""The network without branches and bottlenecks, what BranchyNet's table measures the others by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

from torch import Tensor, nn

from .network import Network, Normalise


class Baseline(nn.Module):
    """A network without branches and bottlenecks: image uint8 [N, H, W, C] in, logits [N, classes] out.

    `front` stands where the device's trunk does, `trunks` are those behind the cuts.
    """

    def __init__(
        self, normalise: Normalise, front: nn.Module, trunks: Sequence[nn.Module], head: nn.Module
    ) -> None:
        super().__init__()
        self.normalise = normalise
        self.front = front
        self.trunks = nn.ModuleList(trunks)
        self.head = head

    def features(self, image: Tensor) -> list[Tensor]:
        """What enters each trunk and the head."""
        found = [self.front(self.normalise(image))]
        for trunk in self.trunks:
            found.append(trunk(found[-1]))
        return found

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.features(image)[-1])


def unbranched(network: Network) -> Baseline:
    """The trunks and the last head alone, as `Network.main` joins them, sharing their parameters."""
    front, *trunks = (segment.trunk for segment in network.segments)
    return Baseline(network.normalise, front, trunks, network.segments[-1].head)


def inherit_trunks(network: Network, baseline: Baseline) -> None:
    """The network's trunks behind the first cut and its last head begin as the baseline's."""
    for segment, trunk in zip(network.segments[1:], baseline.trunks, strict=True):
        segment.trunk.load_state_dict(trunk.state_dict())
    network.segments[-1].head.load_state_dict(baseline.head.state_dict())


def inherit_all(network: Network, baseline: Baseline) -> None:
    """The device's trunk begins as the baseline's first layers, all else as `inherit_trunks` says."""
    network.segments[0].trunk.load_state_dict(baseline.front.state_dict())
    inherit_trunks(network, baseline)


@dataclass(frozen=True)
class Trained:
    """What a training ends with; the baseline is the same network without branches and bottlenecks."""

    network: Network
    baseline: Baseline | None
