"""Muon for convolutions, Adam for the rest.

Muon (Jordan et al. 2024): momentum of the gradient, made orthogonal by a Newton-Schulz iteration, so
that every direction of a layer moves by the same amount. Weights are kept at a fixed norm, which the
batch norm behind each convolution cancels; the learning rate is then the relative size of a step.
"""

from __future__ import annotations

from typing import Callable

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # quintic whose iteration drives singular values towards 1
ITERATIONS = 3


def orthogonal(gradient: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrix to a matrix, roughly: singular values between 0.7 and 1.2."""
    a, b, c = COEFFICIENTS
    x = gradient.bfloat16()
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        squared = x @ x.T
        x = a * x + (b * squared + c * squared @ squared) @ x
    return (x.T if tall else x).to(gradient.dtype)


class MuonAdam(torch.optim.Optimizer):
    """Muon for groups with `kind` "muon", Adam (Kingma, Ba 2015) for groups with `kind` "adam"."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """One step from the gradients that are there."""
        for group in self.param_groups:
            move = _muon if group["kind"] == "muon" else _adam
            for weights in group["params"]:
                if weights.grad is not None:
                    move(weights, self.state[weights], group)


def _muon(weights: Tensor, state: dict[str, Tensor], group: dict[str, float]) -> None:
    momentum = group["momentum"]
    held = state.setdefault("momentum", torch.zeros_like(weights))
    held.mul_(momentum).add_(weights.grad)
    ahead = weights.grad.add(held, alpha=momentum)
    weights.mul_(len(weights) ** 0.5 / weights.norm())
    update = orthogonal(ahead.reshape(len(weights), -1)).view(weights.shape)
    weights.sub_(update, alpha=group["lr"])


def _adam(weights: Tensor, state: dict[str, Tensor], group: dict[str, float]) -> None:
    first, second = 0.9, 0.99
    steps = state.setdefault("steps", torch.zeros(()))
    mean = state.setdefault("mean", torch.zeros_like(weights))
    square = state.setdefault("square", torch.zeros_like(weights))
    steps += 1
    mean.lerp_(weights.grad, 1 - first)
    square.lerp_(weights.grad.square(), 1 - second)
    count = float(steps)
    scale = (square / (1 - second**count)).sqrt_().add_(1e-8)
    weights.addcdiv_(mean, scale, value=-group["lr"] / (1 - first**count))


def muon_adam(muon: float, adam: float, momentum: float = 0.6) -> Callable[[nn.Module], MuonAdam]:
    """The optimiser of a network, by the peak learning rates of its two kinds of parameters."""

    def make(model: nn.Module) -> MuonAdam:
        kinds: dict[str, list[nn.Parameter]] = {"muon": [], "adam": []}
        for parameter in model.parameters():
            kinds["muon" if parameter.dim() == 4 else "adam"].append(parameter)
        return MuonAdam(
            [
                {"params": kinds["muon"], "kind": "muon", "lr": muon, "momentum": momentum},
                {"params": kinds["adam"], "kind": "adam", "lr": adam},
            ],
            {},
        )

    return make
