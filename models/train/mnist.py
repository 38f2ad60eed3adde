"""MNIST: the published idx files, checked by their digests."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .data import DataError, DataSource, Images, read_packed


@dataclass(frozen=True)
class IdxFile:
    """One gzip-packed idx file: its name and the SHA-256 of the packed bytes as published."""

    name: str
    sha256: str


def _load_pair(folder: Path, files: tuple[IdxFile, IdxFile]) -> Images:
    """Images and labels of one part, from the folder that holds mnist/."""
    pixels, labels = (
        parse_idx(read_packed(folder / "mnist" / file.name, "mnist", file.sha256), file.name)
        for file in files
    )
    if pixels.shape[1:] != (28, 28) or labels.shape != pixels.shape[:1]:
        raise DataError(
            f"{files[0].name} has shape {pixels.shape} and {files[1].name} {labels.shape}: "
            "expected [n, 28, 28] and [n]"
        )
    return Images(torch.from_numpy(pixels).unsqueeze(-1), torch.from_numpy(labels).long())


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


_TRAINING = (
    IdxFile(
        "train-images-idx3-ubyte.gz",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    IdxFile(
        "train-labels-idx1-ubyte.gz",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
)

_TEST = (
    IdxFile(
        "t10k-images-idx3-ubyte.gz",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    IdxFile(
        "t10k-labels-idx1-ubyte.gz",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
)

MNIST = DataSource(
    name="mnist",
    classes=tuple(str(digit) for digit in range(10)),
    shape=(28, 28, 1),
    mean=(0.1307,),
    std=(0.3081,),
    load_training=lambda folder: _load_pair(folder, _TRAINING),
    load_test=lambda folder: _load_pair(folder, _TEST),
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
