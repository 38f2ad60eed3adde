"""What a bundle keeps as raw numbers: entropy coder tables and exit records."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .data import Split
from .evaluation import Evaluated
from .files import Entry, file_entry
from .inference import evaluate
from .losses import image_weights
from .network import Network
from .tables import count, integer_tables

FOLLOW_DOUBT = 0.9  # part of an image's weight in the counts that follows the exit's doubt


def write_tables(
    network: Network, split: Split, folder: Path
) -> tuple[list[np.ndarray], list[Entry]]:
    """Counts codes on the training split, images the exit doubts counting for more.

    The tables uint16 [contexts, levels] of every cut, and the manifest entries of their files.
    """
    logits, codes = evaluate(network, split.images)
    tables, entries = [], []
    for number, cut in enumerate(codes):
        weights = image_weights(logits[:, number], FOLLOW_DOUBT)
        bits = network.segments[number].quantiser.bits
        table = integer_tables(count(cut, weights, bits))
        path = folder / f"cut{number + 1}.tables.bin"
        table.tofile(path)
        tables.append(table)
        entries.append({**file_entry(path), "contexts": table.shape[0], "levels": table.shape[1]})
    return tables, entries


def record_bytes(labels: np.ndarray, logits: np.ndarray) -> bytes:
    """Labels uint8 [n], zeros up to a multiple of 8, logits float32 [n, exits, classes]."""
    head = labels.astype(np.uint8).tobytes()
    return head + bytes(-len(head) % 8) + logits.astype("<f4").tobytes()


def write_records(evaluated: Evaluated, folder: Path) -> Entry:
    """Writes the exit records of a split; returns their manifest entry."""
    split = evaluated.split
    path = folder / f"records-{split.name}.bin"
    path.write_bytes(record_bytes(split.labels.numpy(), evaluated.logits))
    return {"split": split.name, **file_entry(path), "images": len(split)}
