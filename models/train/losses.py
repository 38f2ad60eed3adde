"""Losses per image, so that the caller can weigh images."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor


def exit_loss(
    logits: Tensor, labels: Tensor, taught: Tensor, share: float | Tensor, temperature: float
) -> Tensor:
    """Label cross-entropy and distillation (Hinton et al. 2015) per image [N].

    `taught` are the teacher's logits [N, classes]; `share` is the weight of the teacher's side,
    the same for all images or of each.
    """
    hard = F.cross_entropy(logits, labels, reduction="none")
    target = (taught / temperature).softmax(1)
    log_odds = (logits / temperature).log_softmax(1)
    soft = F.kl_div(log_odds, target, reduction="none").sum(1) * temperature**2
    return (1 - share) * hard + share * soft


def uncertainty(logits: Tensor) -> Tensor:
    """Normalised entropy in 0..1 per image [N], without gradient: the exit rule's measure."""
    log_odds = logits.detach().log_softmax(1)
    return -(log_odds.exp() * log_odds).sum(1) / math.log(logits.shape[1])


def image_weights(logits: Tensor, follow: float) -> Tensor:
    """Weights of mean 1 [N]: `follow` of each follows the exit's uncertainty, the rest is even.

    Images the exit is sure of will rarely be sent, so what lies behind the cut learns less of them.
    """
    doubt = uncertainty(logits)
    return (1 - follow) + follow * doubt / doubt.mean().clamp_min(1e-6)
