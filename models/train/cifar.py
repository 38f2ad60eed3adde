"""CIFAR-10 in the layout of the publisher's binary version."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from .data import DataError, DataSource, Images, read_packed

SIDE = 32
RECORD_BYTES = 1 + 3 * SIDE * SIDE
RECORDS = 10_000
APPROXIMATE = "approx_indices.json"
TRAINING = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST = ("test_batch.bin",)


def parse_records(raw: bytes, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Pixels uint8 [n, 32, 32, 3] and labels [n]; a record is a label and three planes."""
    if len(raw) != RECORDS * RECORD_BYTES:
        raise DataError(f"{name} has {len(raw)} bytes, expected {RECORDS * RECORD_BYTES}")
    records = np.frombuffer(raw, np.uint8).reshape(RECORDS, RECORD_BYTES)
    labels = records[:, 0]
    if labels.max() > 9:
        worst = int(labels.argmax())
        raise DataError(f"{name} has label {labels[worst]} in record {worst}, expected 0 to 9")
    planes = records[:, 1:].reshape(RECORDS, 3, SIDE, SIDE)
    return planes.transpose(0, 2, 3, 1), labels


def _load(folder: Path, names: tuple[str, ...]) -> Images:
    home = folder / "cifar10"
    parts = [parse_records(read_packed(home / f"{name}.gz", "cifar10"), name) for name in names]
    labels = np.concatenate([part[1] for part in parts])
    per_class = np.bincount(labels, minlength=10)
    if (per_class != len(labels) // 10).any():
        raise DataError(
            f"{', '.join(names)} have {per_class.tolist()} images per class, "
            f"expected {len(labels) // 10} of each"
        )
    pixels = np.ascontiguousarray(np.concatenate([part[0] for part in parts]))
    return Images(
        torch.from_numpy(pixels), torch.from_numpy(labels.astype(np.int64)), read_exact(home, names)
    )


def read_exact(home: Path, names: tuple[str, ...]) -> torch.Tensor | None:
    """Which records of the named files hold the published pixels [n], None without a list of others."""
    path = home / APPROXIMATE
    if not path.is_file():
        return None
    try:
        listed = json.loads(path.read_text())
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error})") from error
    exact = torch.ones(len(names), RECORDS, dtype=torch.bool)
    for number, name in enumerate(names):
        records = listed.get(name, []) if isinstance(listed, dict) else None
        if not isinstance(records, list) or not all(map(_is_record, records)):
            raise DataError(
                f"{path} is not an object from file names to lists of record numbers, each 0 to "
                f"{RECORDS - 1}"
            )
        exact[number, torch.tensor(records, dtype=torch.int64)] = False
    return exact.flatten()


def _is_record(value: object) -> bool:
    return type(value) is int and 0 <= value < RECORDS


CIFAR10 = DataSource(
    name="cifar10",
    classes=(
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
    shape=(SIDE, SIDE, 3),
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
    load_training=lambda folder: _load(folder, TRAINING),
    load_test=lambda folder: _load(folder, TEST),
    licence=(
        "The publisher of CIFAR-10 states no licence and asks users to cite the report below. The "
        "images are not part of this bundle; the exit records hold labels and logits only."
    ),
    citation=(
        "A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, technical report, "
        "University of Toronto, 2009"
    ),
)
