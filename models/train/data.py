"""Reads the data sets: checks every file before use and makes the fixed splits.

The test split has its own function, so that training and calibration cannot touch it by accident.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

SPLIT_SEED = 20261122
CALIBRATION_IMAGES = 5_000


class DataError(Exception):
    """A data file is missing or not the one expected; the message names file and mend."""


@dataclass(frozen=True)
class Split:
    """Images uint8 [n, H, W, C] with their labels int64 [n]."""

    name: str
    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class IdxFile:
    """One gzip-packed idx file: its name and the SHA-256 of the packed bytes as published."""

    name: str
    sha256: str


@dataclass(frozen=True)
class DataSource:
    """A data set on disk and what the model card has to say about it."""

    name: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]  # H, W, C
    mean: tuple[float, ...]  # per channel, of pixel / 255
    std: tuple[float, ...]
    training: tuple[IdxFile, IdxFile]  # images, labels
    test: tuple[IdxFile, IdxFile]
    licence: str
    citation: str


MNIST = DataSource(
    name="mnist",
    classes=tuple(str(digit) for digit in range(10)),
    shape=(28, 28, 1),
    mean=(0.1307,),
    std=(0.3081,),
    training=(
        IdxFile(
            "train-images-idx3-ubyte.gz",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        IdxFile(
            "train-labels-idx1-ubyte.gz",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
    ),
    test=(
        IdxFile(
            "t10k-images-idx3-ubyte.gz",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        IdxFile(
            "t10k-labels-idx1-ubyte.gz",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
    licence=(
        "The publishers of MNIST give the files for free use and state no licence text; in general "
        "circulation the set is said to be under Creative Commons Attribution-ShareAlike 3.0, "
        "copyright Yann LeCun and Corinna Cortes. The images are not part of this bundle; the "
        "exit records hold labels and logits only."
    ),
    citation=(
        "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-Based Learning Applied to Document "
        "Recognition, Proceedings of the IEEE 86(11), 1998"
    ),
)


def data_folder(option: Path | None) -> Path:
    """The folder that holds one folder per data set, from the option or from OFFRAMP_DATA."""
    if option is not None:
        return option
    from_environment = os.environ.get("OFFRAMP_DATA")
    if not from_environment:
        raise DataError(
            "no data folder: give --data DIR or set OFFRAMP_DATA, the folder that holds mnist/"
        )
    return Path(from_environment)


def load_training(folder: Path, source: DataSource) -> tuple[Split, Split]:
    """The training file as (training split, calibration split), parted by a fixed permutation."""
    images, labels = _load_pair(folder, source, source.training)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(SPLIT_SEED))
    held_out, kept = order[:CALIBRATION_IMAGES], order[CALIBRATION_IMAGES:]
    return (
        Split("training", images[kept], labels[kept]),
        Split("calibration", images[held_out], labels[held_out]),
    )


def load_test(folder: Path, source: DataSource) -> Split:
    """The test split. Only an export's evaluation may call this; nothing is chosen by it."""
    images, labels = _load_pair(folder, source, source.test)
    return Split("test", images, labels)


def split_words(source: DataSource, training: int) -> str:
    """How the splits were made, for the manifest and the card."""
    return (
        f"{source.name} training file permuted by torch.randperm with seed {SPLIT_SEED}: "
        f"the first {CALIBRATION_IMAGES} images calibrate, the other {training} train; "
        "the test file is only evaluated at export"
    )


def _load_pair(
    folder: Path, source: DataSource, files: tuple[IdxFile, IdxFile]
) -> tuple[Tensor, Tensor]:
    images = _read_idx(folder / source.name, files[0], source.name)
    labels = _read_idx(folder / source.name, files[1], source.name)
    if images.shape[1:] != source.shape[:2] or labels.shape != images.shape[:1]:
        raise DataError(
            f"{files[0].name} has shape {images.shape} and {files[1].name} {labels.shape}: "
            f"expected [n, {source.shape[0]}, {source.shape[1]}] and [n]"
        )
    return torch.from_numpy(images).unsqueeze(-1), torch.from_numpy(labels).long()


def _read_idx(folder: Path, file: IdxFile, dataset: str) -> np.ndarray:
    """One idx file as a writable uint8 array of the shape its header gives."""
    path = folder / file.name
    mend = f"fetch it again: offramp data {dataset} --to {folder.parent}"
    if not path.is_file():
        raise DataError(f"{path} is missing; {mend}")
    packed = path.read_bytes()
    digest = hashlib.sha256(packed).hexdigest()
    if digest != file.sha256:
        raise DataError(
            f"{path} is not the published file (SHA-256 {digest}, expected {file.sha256}); {mend}"
        )
    try:
        raw = gzip.decompress(packed)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be unpacked ({error}); {mend}") from error
    return parse_idx(raw, str(path))


def parse_idx(raw: bytes, name: str) -> np.ndarray:
    """Unsigned-byte idx data: magic 00 00 08 rank, big-endian sizes, then the bytes."""
    if len(raw) < 4 or raw[:3] != b"\0\0\x08":
        raise DataError(f"{name} does not start like an idx file of unsigned bytes")
    rank = raw[3]
    header = 4 + 4 * rank
    if len(raw) < header:
        raise DataError(f"{name} ends inside its header ({len(raw)} of {header} bytes)")
    sizes = struct.unpack(f">{rank}I", raw[4:header])
    expected = header + int(np.prod(sizes, dtype=np.int64))
    if len(raw) != expected:
        raise DataError(f"{name} has {len(raw)} bytes, its header asks for {expected}")
    return np.frombuffer(raw, np.uint8, offset=header).reshape(sizes).copy()
