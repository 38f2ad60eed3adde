"""Averages of networks that were trained one from the other (Izmailov et al. 2018)."""

from __future__ import annotations

import copy
from typing import Callable, Iterable, TypeVar

import torch
from torch import Tensor, nn

AnyModule = TypeVar("AnyModule", bound=nn.Module)


@torch.no_grad()
def averaged(one: AnyModule, other: AnyModule, share: float) -> AnyModule:
    """A network between two of one kind; `share` is the other's part. Its batch norms are stale."""
    between = copy.deepcopy(one)
    values = zip(between.state_dict().values(), other.state_dict().values(), strict=True)
    for value, others in values:
        if value.dtype.is_floating_point:
            value.lerp_(others, share)
    return between


@torch.no_grad()
def refresh_norms(
    network: nn.Module, run: Callable[[Tensor], object], batches: Iterable[Tensor]
) -> None:
    """Measures every batch norm anew, as the plain mean over the batches that `run` passes through."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    usual = [norm.momentum for norm in norms]
    network.train()
    for number, batch in enumerate(batches):
        for norm in norms:
            norm.momentum = 1 / (number + 1)
        run(batch)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
    network.eval()
