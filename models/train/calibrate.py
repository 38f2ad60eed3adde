"""Temperatures and thresholds, from the calibration split only.

The exit rule: p = softmax(logits / temperature), eta = -sum p ln p / ln(classes); an image leaves
at an exit iff eta < threshold (BranchyNet's rule, the entropy normalised as in DDNN).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Target:
    """What the threshold is chosen for: a share answered on the device, or an overall accuracy."""

    kind: str  # "device-share" or "accuracy"
    value: float


@dataclass(frozen=True)
class Outcome:
    """What the exit rule did on one split."""

    device_share: float
    accuracy: float
    agreement: float  # share of images whose label is the one the last exit would have given
    branch_accuracy: float
    final_accuracy: float
    device_accuracy: float  # among the images answered on the device
    offloaded_accuracy: float  # among the others


def parse_target(text: str) -> Target:
    """`device-share=0.97` or `accuracy=0.995`."""
    kind, _, value = text.partition("=")
    try:
        target = Target(kind, float(value))
    except ValueError:
        target = Target("", math.nan)
    if target.kind not in ("device-share", "accuracy") or not 0 < target.value < 1:
        raise ValueError(
            f"target is {text!r}: expected device-share=X or accuracy=X with X between 0 and 1"
        )
    return target


def log_softmax(logits: Array, temperature: float) -> Array:
    """Natural log of the calibrated softmax, float64 [n, classes]."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(1, keepdims=True)
    return scaled - np.log(np.exp(scaled).sum(1, keepdims=True))


def negative_log_likelihood(logits: Array, labels: Array, temperature: float) -> float:
    """Mean over images, in nats."""
    return float(-log_softmax(logits, temperature)[np.arange(len(labels)), labels].mean())


def normalised_entropy(logits: Array, temperature: float) -> Array:
    """eta per image, float64 [n] in 0..1."""
    log_odds = log_softmax(logits, temperature)
    return -(np.exp(log_odds) * log_odds).sum(1) / math.log(logits.shape[1])


def fit_temperature(logits: Array, labels: Array) -> float:
    """The temperature of least NLL, by golden section over ln T in ln 0.05 .. ln 20."""
    low, high = math.log(0.05), math.log(20.0)
    ratio = (math.sqrt(5) - 1) / 2
    while high - low > 1e-5:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        at_left = negative_log_likelihood(logits, labels, math.exp(left))
        at_right = negative_log_likelihood(logits, labels, math.exp(right))
        low, high = (low, right) if at_left < at_right else (left, high)
    return math.exp((low + high) / 2)


def choose_threshold(eta: Array, early: Array, late: Array, labels: Array, target: Target) -> float:
    """The threshold on `eta` [n] for a target, given both exits' labels.

    For a share: the one that lets that share leave. For an accuracy: the one with the largest share
    on the device that still reaches it.
    """
    order = np.argsort(eta, kind="stable")
    if target.kind == "device-share":
        return _between(eta[order], round(target.value * len(eta)))
    early_right = np.concatenate([[0], np.cumsum((early == labels)[order])])
    late_right = np.concatenate([np.cumsum((late == labels)[order][::-1])[::-1], [0]])
    reached = np.flatnonzero((early_right + late_right) / len(eta) >= target.value)
    if len(reached) == 0:
        best = (early_right + late_right).max() / len(eta)
        raise ValueError(f"accuracy {target.value} is out of reach here, the best is {best:.4f}")
    return _between(eta[order], int(reached[-1]))


def _between(ordered: Array, leaving: int) -> float:
    """A threshold under which exactly `leaving` of the ordered values lie, ties aside."""
    if leaving <= 0:
        return 0.0
    if leaving >= len(ordered):
        return 1.0
    return float((ordered[leaving - 1] + ordered[leaving]) / 2)


def first_exits(etas: list[Array], thresholds: list[float]) -> Array:
    """Number of the exit each image leaves at [n]; the last one takes what is left."""
    taken = np.full(len(etas[0]), len(thresholds))
    for number in reversed(range(len(thresholds))):
        taken[etas[number] < thresholds[number]] = number
    return taken


def measure(
    logits: Array, labels: Array, temperatures: list[float], thresholds: list[float]
) -> tuple[Outcome, Array]:
    """The exit rule on logits [n, exits, classes]; also whether each image is offloaded [n]."""
    exits = logits.shape[1]
    etas = [normalised_entropy(logits[:, k], temperatures[k]) for k in range(exits)]
    taken = first_exits(etas, thresholds)
    answers = logits.argmax(2)
    given = answers[np.arange(len(labels)), taken]
    right = given == labels
    offloaded = taken > 0
    outcome = Outcome(
        device_share=float(1 - offloaded.mean()),
        accuracy=float(right.mean()),
        agreement=float((given == answers[:, -1]).mean()),
        branch_accuracy=float((answers[:, 0] == labels).mean()),
        final_accuracy=float((answers[:, -1] == labels).mean()),
        device_accuracy=_mean(right[~offloaded]),
        offloaded_accuracy=_mean(right[offloaded]),
    )
    return outcome, offloaded


def calibrate(logits: Array, labels: Array, target: Target) -> tuple[list[float], list[float]]:
    """Temperature per exit and thresholds of all but the last; logits [n, exits, classes].

    With more than two exits the target's kind is applied exit by exit to the images still there,
    each time against the last exit.
    """
    exits = logits.shape[1]
    temperatures = [fit_temperature(logits[:, k], labels) for k in range(exits)]
    thresholds: list[float] = []
    here = np.arange(len(labels))
    late = logits[:, -1].argmax(1)
    for k in range(exits - 1):
        eta = normalised_entropy(logits[here, k], temperatures[k])
        early = logits[here, k].argmax(1)
        thresholds.append(choose_threshold(eta, early, late[here], labels[here], target))
        here = here[eta >= thresholds[-1]]
    return temperatures, thresholds


def _mean(values: Array) -> float:
    return float(values.mean()) if len(values) else math.nan
