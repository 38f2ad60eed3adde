"""Warped copies of the training split with the teacher's logits, made once and used in turn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from .augment import WarpRange, warp
from .data import Split
from .network import fuse

CHUNK = 1_000


@dataclass(frozen=True)
class Bank:
    """Images uint8 [copies, n, H, W, C], teacher's logits [copies, n, classes]; copy 0 unwarped."""

    images: Tensor
    taught: Tensor


def warped_split(images: Tensor, bounds: WarpRange, seed: int) -> Tensor:
    """A warped copy of images uint8 [n, H, W, C], made chunk by chunk."""
    generator = torch.Generator().manual_seed(seed)
    return torch.cat([warp(chunk, bounds, generator) for chunk in images.split(CHUNK)])


@torch.no_grad()
def logits_of(model: nn.Module, images: Tensor) -> Tensor:
    """Logits float32 [n, classes] of a one-exit model in evaluation mode."""
    model.eval()
    rows = []
    for chunk in images.split(CHUNK):
        with torch.autocast("cpu", torch.bfloat16):
            rows.append(model(chunk).float())
    return torch.cat(rows)


def make_bank(split: Split, teacher: nn.Module, bounds: WarpRange, copies: int, seed: int) -> Bank:
    """Copy 0 is the split itself, the others are warped within `bounds`."""
    teacher = fuse(teacher)
    images, taught = [split.images], [logits_of(teacher, split.images)]
    for number in range(1, copies):
        images.append(warped_split(split.images, bounds, seed * 1_000 + number))
        taught.append(logits_of(teacher, images[-1]))
    return Bank(torch.stack(images), torch.stack(taught))


def save_bank(bank: Bank, path: Path) -> None:
    """Writes beside the place, then renames, so that a bank on disk is always whole."""
    partial = path.with_suffix(".partial")
    torch.save({"images": bank.images, "taught": bank.taught}, partial)
    partial.replace(path)


def load_bank(path: Path) -> Bank:
    """Maps a saved bank into memory."""
    return Bank(**torch.load(path, mmap=True, weights_only=True))
