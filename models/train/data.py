"""Data sets as the trainer sees them, and the fixed splits made of them.

The test split has its own function, so that training and calibration cannot touch it by accident.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import torch
from torch import Tensor

SPLIT_SEED = 20261122
CALIBRATION_IMAGES = 5_000


class DataError(Exception):
    """A data file is missing or not the one expected; the message names file and mend."""


@dataclass(frozen=True)
class Images:
    """Images uint8 [n, H, W, C] with their labels int64 [n]; `exact` is False [n] where a picture is
    known to be an approximation of the published one, None where all are the published ones."""

    pixels: Tensor
    labels: Tensor
    exact: Tensor | None = None


@dataclass(frozen=True)
class Split:
    """Images uint8 [n, H, W, C] with their labels int64 [n]; `exact` as in `Images`."""

    name: str
    images: Tensor
    labels: Tensor
    exact: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def approximations(self) -> int:
        """How many pictures are known not to be the published ones."""
        return 0 if self.exact is None else int((~self.exact).sum())


@dataclass(frozen=True)
class DataSource:
    """A data set on disk and what the model card has to say about it."""

    name: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]  # H, W, C
    mean: tuple[float, ...]  # per channel, of pixel / 255
    std: tuple[float, ...]
    load_training: Callable[[Path], Images]  # from the folder of all data sets
    load_test: Callable[[Path], Images]
    licence: str
    citation: str


def data_folder(option: Path | None) -> Path:
    """The folder that holds one folder per data set, from the option or from OFFRAMP_DATA."""
    if option is not None:
        return option
    from_environment = os.environ.get("OFFRAMP_DATA")
    if not from_environment:
        raise DataError(
            "no data folder: give --data DIR or set OFFRAMP_DATA, the folder that holds one folder "
            "per data set, such as mnist/"
        )
    return Path(from_environment)


def load_training(folder: Path, source: DataSource) -> tuple[Split, Split]:
    """The training file as (training split, calibration split), parted by a fixed permutation."""
    loaded = source.load_training(folder)
    order = torch.randperm(len(loaded.labels), generator=torch.Generator().manual_seed(SPLIT_SEED))
    held_out, kept = order[:CALIBRATION_IMAGES], order[CALIBRATION_IMAGES:]
    return _pick("training", loaded, kept), _pick("calibration", loaded, held_out)


def load_test(folder: Path, source: DataSource) -> Split:
    """The test split. Only an export's evaluation may call this; nothing is chosen by it."""
    loaded = source.load_test(folder)
    return Split("test", loaded.pixels, loaded.labels, loaded.exact)


def split_words(source: DataSource, training: int) -> str:
    """How the splits were made, for the manifest and the card."""
    return (
        f"{source.name} training file permuted by torch.randperm with seed {SPLIT_SEED}: "
        f"the first {CALIBRATION_IMAGES} images calibrate, the other {training} train; "
        "the test file is only evaluated at export"
    )


def read_packed(path: Path, dataset: str, sha256: str | None = None) -> bytes:
    """A gzip file's content; `sha256` is that of the packed bytes, where one is published."""
    mend = f"fetch it again: offramp data {dataset} --to {path.parent.parent}"
    if not path.is_file():
        raise DataError(f"{path} is missing; {mend}")
    packed = path.read_bytes()
    digest = hashlib.sha256(packed).hexdigest()
    if sha256 is not None and digest != sha256:
        raise DataError(
            f"{path} is not the published file (SHA-256 {digest}, expected {sha256}); {mend}"
        )
    try:
        return gzip.decompress(packed)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be unpacked ({error}); {mend}") from error


def _pick(name: str, loaded: Images, rows: Tensor) -> Split:
    exact = None if loaded.exact is None else loaded.exact[rows]
    return Split(name, loaded.pixels[rows], loaded.labels[rows], exact)
