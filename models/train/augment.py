"""Augmentation as whole-batch tensor operations: random affine maps and elastic warps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class WarpRange:
    """How far a random warp may go; uniform between minus and plus each bound."""

    rotate_degrees: float
    scale: float  # relative, each axis on its own
    shear: float
    shift_pixels: float
    elastic_pixels: float  # standard deviation of the displacement at the coarse grid's points
    elastic_grid: int  # points a side of the coarse displacement grid


def warp(images: Tensor, bounds: WarpRange, generator: torch.Generator) -> Tensor:
    """Warped copies of images uint8 [n, H, W, C], same shape and dtype; 0 outside the picture."""
    n, height, width, _ = images.shape
    grid = F.affine_grid(_affine(n, height, width, bounds, generator), [n, 1, height, width], False)
    grid = grid + _elastic(n, height, width, bounds, generator)
    planes = images.permute(0, 3, 1, 2).float()
    warped = F.grid_sample(planes, grid, "bilinear", "zeros", align_corners=False)
    return warped.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _uniform(n: int, bound: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(n, generator=generator) * 2 - 1) * bound


def _affine(
    n: int, height: int, width: int, bounds: WarpRange, generator: torch.Generator
) -> Tensor:
    """Affine maps [n, 2, 3] from output to input places, in grid_sample's units (-1..1)."""
    angle = _uniform(n, math.radians(bounds.rotate_degrees), generator)
    scale_x = 1 + _uniform(n, bounds.scale, generator)
    scale_y = 1 + _uniform(n, bounds.scale, generator)
    shear = _uniform(n, bounds.shear, generator)
    shift_x = _uniform(n, 2 * bounds.shift_pixels / width, generator)
    shift_y = _uniform(n, 2 * bounds.shift_pixels / height, generator)
    cos, sin = angle.cos(), angle.sin()
    row_x = torch.stack([scale_x * cos, scale_x * (shear * cos - sin), shift_x], 1)
    row_y = torch.stack([scale_y * sin, scale_y * (shear * sin + cos), shift_y], 1)
    return torch.stack([row_x, row_y], 1)


def _elastic(
    n: int, height: int, width: int, bounds: WarpRange, generator: torch.Generator
) -> Tensor:
    """Smooth displacement [n, H, W, 2]: a coarse normal grid, bicubic in between."""
    side = bounds.elastic_grid
    coarse = torch.randn(n, 2, side, side, generator=generator) * bounds.elastic_pixels
    fine = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)
    return fine.permute(0, 2, 3, 1) * torch.tensor([2 / width, 2 / height])
