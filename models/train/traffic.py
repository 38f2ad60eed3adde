"""What crosses a cut: stream lengths, and how well the last exit does on fewer channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .calibrate import ExitRule, taken_exits
from .coder import longest_stream, stream_bytes
from .evaluation import BATCH, Evaluated, Graphs

Array = np.ndarray


@dataclass(frozen=True)
class Lengths:
    """Mean and 95th percentile (nearest rank) of the bytes of some streams, 0 where there are none."""

    streams: int
    mean: float
    p95: int


@dataclass(frozen=True)
class ByteFigures:
    """Streams of codes at a cut, checksum included: all images, and those the exit rule sends."""

    packed: int  # the longest a stream can be
    all: Lengths
    sent: Lengths


@dataclass(frozen=True)
class RateFigures:
    """Every image of a split sent across the first cut with its first `channels` channels only."""

    channels: int
    lengths: Lengths
    accuracy: float  # of the last exit


def byte_figures(
    evaluated: Evaluated, number: int, table: Array, bits: int, rule: ExitRule
) -> ByteFigures:
    """Streams at cut `number`, counted from 0."""
    codes = evaluated.codes[number]
    sizes = stream_bytes(codes, table, bits)
    crosses = taken_exits(evaluated.logits, rule) > number
    return ByteFigures(longest_stream(codes[0].size, bits), _lengths(sizes), _lengths(sizes[crosses]))


def measure_rates(
    graphs: Graphs, evaluated: Evaluated, table: Array, bits: int, rates: tuple[int, ...]
) -> list[RateFigures]:
    """Every rate of the first cut on one split, through the exported graphs."""
    codes, labels = evaluated.codes[0], evaluated.split.labels.numpy()
    figures = []
    for channels in rates:
        answers = np.concatenate([
            graphs.joined(rows, first=1)[0][-1].argmax(1)
            for rows in np.split(as_received(codes, channels, bits), range(BATCH, len(codes), BATCH))
        ])
        figures.append(
            RateFigures(
                channels,
                _lengths(stream_bytes(np.ascontiguousarray(codes[:, :channels]), table, bits)),
                float((answers == labels).mean()),
            )
        )
    return figures


def as_received(codes: Array, channels: int, bits: int) -> Array:
    """Codes uint8 [n, c, h, w] as the receiver has them when the first `channels` were sent."""
    received = codes.copy()
    received[:, channels:] = 1 << (bits - 1)
    return received


def _lengths(sizes: Array) -> Lengths:
    if len(sizes) == 0:
        return Lengths(0, 0.0, 0)
    p95 = int(np.quantile(sizes, 0.95, method="inverted_cdf"))
    return Lengths(len(sizes), float(sizes.mean()), p95)
