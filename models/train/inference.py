"""A network at work in PyTorch, for what training measures as it goes and for the coder's tables."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .network import Network
from .tables import RateModel

EVALUATION_BATCH = 500


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of rows [n, classes] whose largest logit is the label's."""
    return (logits.argmax(1) == labels).float().mean().item()


@torch.no_grad()
def evaluate(network: Network, images: Tensor) -> tuple[Tensor, list[Tensor]]:
    """(logits float32 [n, exits, classes], codes per cut uint8 [n, c, h, w]) in evaluation mode."""
    network.eval()
    logits, codes = [], []
    for chunk in images.split(EVALUATION_BATCH):
        exits, cuts = network(chunk)
        logits.append(torch.stack(exits, 1))
        codes.append(cuts)
    return torch.cat(logits), [torch.cat(cut) for cut in zip(*codes, strict=True)]


def exit_figures(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Per exit of logits [n, exits, classes] loss and accuracy; and the overall accuracy where the first
    exit answers 55 or 65 % of the images and the last one the others."""
    figures: dict[str, float] = {}
    for number, rows in enumerate(logits.unbind(1)):
        figures[f"loss{number}"] = F.cross_entropy(rows, labels).item()
        figures[f"accuracy{number}"] = accuracy(rows, labels)
    doubt = torch.special.entr(logits[:, 0].softmax(1)).sum(1)
    for share in (0.55, 0.65):
        sent = doubt > doubt.quantile(share)
        answers = torch.where(sent, logits[:, -1].argmax(1), logits[:, 0].argmax(1))
        figures[f"overall{round(100 * share)}"] = (answers == labels).float().mean().item()
    return figures


def rate_models(network: Network, images: Tensor) -> nn.ModuleList:
    """One running rate model per cut, of the channels its codes have."""
    _, codes = evaluate(network, images)
    return nn.ModuleList(
        RateModel(cut.shape[1], segment.quantiser.bits)
        for cut, segment in zip(codes, network.segments)
    )
