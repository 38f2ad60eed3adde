"""The range coder of `docs/bundle.md`, so that the length of a codec's stream is known exactly.

All images of a split are coded side by side, one code of each at a time. Only lengths are taken from
here; what deployed programs send is written by `shared/codec`.
"""

from __future__ import annotations

import numpy as np
import torch

from .tables import TOTAL, contexts

CHECKSUM_BYTES = 2
FULL = (1 << 32) - 1
SMALLEST_RANGE = 1 << 24
MOST_SYMBOL_BYTES = 2

Array = np.ndarray


def stream_bytes(codes: Array, tables: Array, bits: int) -> Array:
    """Length in bytes, int64 [n], of the stream of each image's codes uint8 [n, c, h, w].

    The range coded payload or the packed one, whichever is shorter, and the checksum. `tables` may have
    the contexts of more channels than the codes do.
    """
    _, lengths = range_coded(codes, tables, bits)
    return np.minimum(lengths + CHECKSUM_BYTES, longest_stream(codes[0].size, bits))


def longest_stream(count: int, bits: int) -> int:
    """Bytes of the stream of `count` packed codes; no stream is longer."""
    return -(-count * bits // 8) + CHECKSUM_BYTES


def range_coded(codes: Array, tables: Array, bits: int) -> tuple[Array, Array]:
    """Range coded payloads, uint8 [n, longest], and how many bytes of each row count, int64 [n]."""
    n = len(codes)
    rows = contexts(torch.from_numpy(codes), bits).numpy().reshape(n, -1)
    symbols = codes.reshape(n, -1).astype(np.int64)
    sizes = tables.astype(np.int64)
    starts = np.cumsum(sizes, 1) - sizes
    coder = _Coder(n, MOST_SYMBOL_BYTES * symbols.shape[1] + 1)
    for row, symbol in zip(rows.T, symbols.T, strict=True):
        coder.put(starts[row, symbol], sizes[row, symbol])
    return coder.finish()


class _Coder:
    """As many encoders as there are images; arrays hold one value for each."""

    def __init__(self, images: int, most_bytes: int) -> None:
        self.bytes = np.zeros((images, most_bytes), np.uint8)
        self.length = np.zeros(images, np.int64)
        self.low = np.zeros(images, np.int64)
        self.range = np.full(images, FULL, np.int64)

    def put(self, start: Array, size: Array) -> None:
        """Writes the symbols that own [start, start + size) of the total; the last takes the rest."""
        unit = self.range // TOTAL
        below = unit * start
        self.low += below
        self.range = np.where(start + size == TOTAL, self.range - below, unit * size)
        self._carry(np.flatnonzero(self.low > FULL))
        while len(short := np.flatnonzero(self.range < SMALLEST_RANGE)):
            self._write(short, self.low[short] >> 24)
            self.low[short] = (self.low[short] << 8) & FULL
            self.range[short] <<= 8

    def finish(self) -> tuple[Array, Array]:
        """The fewest bytes that still decode, without zeros at the end."""
        unfinished = self.low > 0
        raised = unfinished & (self.low + self.range > FULL + 1)
        self._carry(np.flatnonzero(raised))
        short = np.flatnonzero(unfinished & ~raised)
        self._write(short, -(-self.low[short] // SMALLEST_RANGE))
        written = self.bytes[:, : max(1, self.length.max())]
        places = np.arange(1, written.shape[1] + 1)
        return written, (places * (written > 0)).max(1)

    def _write(self, images: Array, values: Array) -> None:
        self.bytes[images, self.length[images]] = values
        self.length[images] += 1

    def _carry(self, images: Array) -> None:
        """Adds 1 to the bytes written so far, as to one long number."""
        self.low[images] -= FULL + 1
        place = self.length[images] - 1
        while len(images):
            self.bytes[images, place] += 1
            full = self.bytes[images, place] == 0
            images, place = images[full], place[full] - 1
