"""The manifest of a bundle, as `docs/bundle.md` lays it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .calibrate import ExitRule
from .choice import Choice
from .files import Entry
from .findings import Findings
from .recipes import Recipe
from .traffic import RateFigures


@dataclass(frozen=True)
class Written:
    """The manifest entries of the files of a bundle."""

    segments: list[Entry]
    bits: list[int]  # of a code, per cut
    tables: list[Entry]  # per cut
    whole: Entry
    baseline: Entry | None
    records: list[Entry]


def make_manifest(
    recipe: Recipe,
    written: Written,
    choice: Choice,
    calibration: Findings,
    training: dict[str, Any],
) -> Entry:
    """The manifest as an object of JSON."""
    baseline = {} if written.baseline is None else {"baseline": written.baseline}
    return {
        "schemaVersion": 1,
        "id": recipe.bundle_id,
        "version": recipe.version,
        "title": recipe.title,
        "licence": "Apache-2.0",
        "classes": list(recipe.source.classes),
        "input": {"name": "image", "dtype": "uint8", "shape": list(recipe.source.shape)},
        "segments": written.segments,
        "exits": _exits(recipe, written.segments, choice.rule),
        "cuts": _cuts(written, calibration),
        "calibration": choice.calibration,
        "whole": written.whole,
        **baseline,
        "records": written.records,
        "training": training,
    }


def _exits(recipe: Recipe, segments: list[Entry], rule: ExitRule) -> list[Entry]:
    exits = []
    for number, name in enumerate(recipe.exit_names):
        entry = {
            "name": name,
            "segment": segments[number]["name"],
            "temperature": rule.temperatures[number],
        }
        if number < len(rule.thresholds):
            entry["threshold"] = rule.thresholds[number]
        exits.append(entry)
    return exits


def _cuts(written: Written, calibration: Findings) -> list[Entry]:
    cuts = [
        {"after": segment["name"], "bits": bits, "tables": tables}
        for segment, bits, tables in zip(written.segments, written.bits, written.tables)
    ]
    if calibration.rates:
        split = calibration.evaluated.split.name
        cuts[0]["rates"] = [_rate(rate, split) for rate in calibration.rates]
    return cuts


def _rate(rate: RateFigures, split: str) -> Entry:
    return {
        "channels": rate.channels,
        "measured": {
            "split": split,
            "images": rate.lengths.streams,
            "bytesMean": rate.lengths.mean,
            "bytesP95": rate.lengths.p95,
            "accuracy": rate.accuracy,
        },
    }
