"""Temperatures and thresholds, from the calibration split only.

The exit rule: p = softmax(logits / temperature), eta = -sum p ln p / ln(classes); an image leaves
at an exit iff eta < threshold (BranchyNet's rule, the entropy normalised as in DDNN).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

Array = np.ndarray

LATER_AGREEMENT = 0.995  # of those that leave at an exit between the first and the last


@dataclass(frozen=True)
class Target:
    """What the threshold is chosen for: a share answered on the device, or an overall accuracy."""

    kind: str  # "device-share" or "accuracy"
    value: float


@dataclass(frozen=True)
class ExitRule:
    """A temperature for every exit and a threshold for every exit but the last."""

    temperatures: list[float]
    thresholds: list[float]


@dataclass(frozen=True)
class ExitOutcome:
    """One exit on one split: as though it answered all images, and on those it does answer."""

    alone: float  # accuracy
    share: float  # of all images
    accuracy: float  # nan where it answers none
    agreement: float  # share of its answers that the last exit would have given too


@dataclass(frozen=True)
class Outcome:
    """What the exit rule did on one split; the first exit is the device's."""

    device_share: float
    accuracy: float
    agreement: float  # share of images whose label is the one the last exit would have given
    offloaded_accuracy: float  # among the images that the device does not answer
    exits: tuple[ExitOutcome, ...]


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


def agreeing_threshold(eta: Array, agreeing: Array, share: float) -> float:
    """The largest threshold on `eta` [n] at which `share` of those that leave are `agreeing` [n]."""
    order = np.argsort(eta, kind="stable")
    leaving = np.arange(1, len(eta) + 1)
    reached = np.flatnonzero(np.cumsum(agreeing[order]) >= share * leaving)
    return _between(eta[order], int(reached[-1]) + 1 if len(reached) else 0)


def _between(ordered: Array, leaving: int) -> float:
    """A threshold under which exactly `leaving` of the ordered values lie, ties aside."""
    if leaving <= 0:
        return 0.0
    if leaving >= len(ordered):
        return 1.0
    return float((ordered[leaving - 1] + ordered[leaving]) / 2)


def taken_exits(logits: Array, rule: ExitRule) -> Array:
    """Number of the exit each image leaves at [n], of logits [n, exits, classes]."""
    taken = np.full(len(logits), len(rule.thresholds))
    for number in reversed(range(len(rule.thresholds))):
        eta = normalised_entropy(logits[:, number], rule.temperatures[number])
        taken[eta < rule.thresholds[number]] = number
    return taken


def measure(logits: Array, labels: Array, rule: ExitRule) -> Outcome:
    """The exit rule on logits [n, exits, classes] with labels [n]."""
    taken = taken_exits(logits, rule)
    answers = logits.argmax(2)
    given = answers[np.arange(len(labels)), taken]
    right, agreeing = given == labels, given == answers[:, -1]
    return Outcome(
        device_share=float((taken == 0).mean()),
        accuracy=float(right.mean()),
        agreement=float(agreeing.mean()),
        offloaded_accuracy=_mean(right[taken > 0]),
        exits=tuple(
            ExitOutcome(
                alone=float((answers[:, number] == labels).mean()),
                share=float((taken == number).mean()),
                accuracy=_mean(right[taken == number]),
                agreement=_mean(agreeing[taken == number]),
            )
            for number in range(logits.shape[1])
        ),
    )


def calibrate(logits: Array, labels: Array, target: Target) -> ExitRule:
    """The exit rule for logits [n, exits, classes] with labels [n].

    The target is the first exit's, for what it speaks of is the device. Every later exit but the last
    lets as many leave as it can of those still there while `LATER_AGREEMENT` of them get the label
    that the last exit would give.
    """
    exits = logits.shape[1]
    temperatures = [fit_temperature(logits[:, k], labels) for k in range(exits)]
    thresholds: list[float] = []
    here = np.arange(len(labels))
    late = logits[:, -1].argmax(1)
    for k in range(exits - 1):
        eta = normalised_entropy(logits[here, k], temperatures[k])
        early = logits[here, k].argmax(1)
        if k == 0:
            threshold = choose_threshold(eta, early, late, labels, target)
        else:
            threshold = agreeing_threshold(eta, early == late[here], LATER_AGREEMENT)
        thresholds.append(threshold)
        here = here[eta >= threshold]
    return ExitRule(temperatures, thresholds)


def _mean(values: Array) -> float:
    return float(values.mean()) if len(values) else math.nan
