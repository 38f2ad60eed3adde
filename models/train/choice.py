"""The exit rule of a bundle: chosen here for a target, or taken over from `offramp calibrate`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from .calibrate import LATER_AGREEMENT, ExitRule, Target, calibrate, measure
from .evaluation import Evaluated
from .files import Entry
from .graphs import ExportError
from .records import record_bytes


@dataclass(frozen=True)
class Choice:
    """An exit rule, what the manifest says of it, and how it came to be in words for the card."""

    rule: ExitRule
    calibration: Entry
    words: str


def choose(target: Target, evaluated: Evaluated, exit_names: tuple[str, ...]) -> Choice:
    """The exit rule for a target on a split."""
    split = evaluated.split
    labels = split.labels.numpy()
    rule = calibrate(evaluated.logits, labels, target)
    outcome = measure(evaluated.logits, labels, rule)
    calibration = {
        "split": split.name,
        "images": len(split),
        "date": date.today().isoformat(),
        "target": {"kind": target.kind, "value": target.value},
        "measured": {
            "deviceShare": outcome.device_share,
            "accuracy": outcome.accuracy,
            "agreement": outcome.agreement,
        },
        "guarantee": _guarantee(rule),
    }
    return Choice(rule, calibration, _words(target, exit_names))


def take_over(manifest: Path, evaluated: Evaluated) -> Choice:
    """The exit rule of a manifest; ExportError if its records are not those of `evaluated`."""
    try:
        entries = json.loads(manifest.read_text())
        calibration, exits = entries["calibration"], entries["exits"]
        rule = ExitRule(
            [entry["temperature"] for entry in exits], [entry["threshold"] for entry in exits[:-1]]
        )
        records = {entry["split"]: entry["sha256"] for entry in entries["records"]}
        calibrated_on, target = records[calibration["split"]], calibration["target"]
        chosen_for = f"{target['kind']} {target['value']}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ExportError(f"{manifest} is no manifest to take an exit rule from ({error!r})") from error
    ours = record_bytes(evaluated.split.labels.numpy(), evaluated.logits)
    if calibrated_on != hashlib.sha256(ours).hexdigest():
        raise ExportError(
            f"the exit rule of {manifest} was chosen on other records than this network's; "
            "export without it and calibrate again"
        )
    words = f"Temperatures and thresholds were chosen by `offramp calibrate` for {chosen_for}."
    return Choice(rule, calibration, words)


def _words(target: Target, exit_names: tuple[str, ...]) -> str:
    first, *later = (f"`{name}`" for name in exit_names[:-1])
    words = (
        "Temperatures have the least negative log-likelihood. The threshold of "
        f"{first} reaches the target,\n{target.kind} {target.value}."
    )
    if later:
        words += (
            f" The threshold of {' and '.join(later)} lets as many leave as it can\n"
            f"while {100 * LATER_AGREEMENT:g} % of those who do get the label of `{exit_names[-1]}`."
        )
    return words


def _guarantee(rule: ExitRule) -> str:
    reached = "threshold reproduces its target on the calibration split"
    if len(rule.thresholds) > 1:
        reached = (
            f"first {reached}, and at the later ones {100 * LATER_AGREEMENT:g} % of those that leave "
            "there have the label of the last exit"
        )
    return (
        f"none: the {reached}, and the measured figures are plain means over that split; nothing is "
        "promised for other images"
    )
