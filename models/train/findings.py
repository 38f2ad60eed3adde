"""All that is measured on a held-out split, for the manifest and the model card."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .calibrate import ExitRule, Outcome, measure
from .evaluation import Evaluated, Graphs
from .traffic import ByteFigures, RateFigures, byte_figures, measure_rates


@dataclass(frozen=True)
class Coding:
    """How codes are coded at every cut, and the rates of the first."""

    tables: list[np.ndarray]
    bits: list[int]
    rates: tuple[int, ...]


@dataclass(frozen=True)
class Findings:
    """What was measured on one split."""

    evaluated: Evaluated
    outcome: Outcome
    published: Outcome | None  # without pictures that are approximations, None where there are none
    sizes: list[ByteFigures]  # per cut
    rates: list[RateFigures]  # of the first cut, empty where it has one only
    baseline: float | None  # accuracy of the network without branches and bottlenecks

    @property
    def images(self) -> int:
        """Number of images."""
        return len(self.evaluated.split)


def find(evaluated: Evaluated, graphs: Graphs, rule: ExitRule, coding: Coding) -> Findings:
    """Applies the exit rule and the codec to what the graphs gave."""
    split, logits = evaluated.split, evaluated.logits
    labels = split.labels.numpy()
    published, rates, baseline = None, [], None
    if split.approximations:
        rows = split.exact.numpy()
        published = measure(logits[rows], labels[rows], rule)
    if len(coding.rates) > 1:
        rates = measure_rates(graphs, evaluated, coding.tables[0], coding.bits[0], coding.rates)
    if evaluated.baseline is not None:
        baseline = float((evaluated.baseline.argmax(1) == labels).mean())
    return Findings(
        evaluated,
        measure(logits, labels, rule),
        published,
        [
            byte_figures(evaluated, number, table, bits, rule)
            for number, (table, bits) in enumerate(zip(coding.tables, coding.bits))
        ],
        rates,
        baseline,
    )
