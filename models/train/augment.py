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


@dataclass(frozen=True)
class CropRange:
    """How far a crop may be off centre, and the side of the square that is blanked."""

    shift_pixels: int
    hole_pixels: int


def blend(images: Tensor, count: int) -> Tensor:
    """The first `count` of images uint8 [N, H, W, C] each blended with another of them, in any parts.

    Mixup (Zhang et al. 2018) over its whole range, as it is used to learn a teacher's function where
    there are no pictures (Beyer et al. 2022); what is seen has no label.
    """
    first = images[:count].float()
    parts = torch.rand(count, 1, 1, 1)
    blended = first.lerp(first[torch.randperm(count)], parts).round().to(torch.uint8)
    return torch.cat([blended, images[count:]])


class Cropper:
    """Crops of mirrored-edge pictures, every other epoch turned left to right, a square blanked.

    Each image is turned in one epoch and not in the next, which one first is the image's own chance:
    over two epochs both are seen once, where a coin each time would repeat some (Jordan 2024). Holes
    are as dark as the set's mean.
    """

    def __init__(self, images: Tensor, bounds: CropRange) -> None:
        self.bounds = bounds
        self.side = images.shape[1]
        edge = bounds.shift_pixels
        planes = F.pad(images.permute(0, 3, 1, 2).float(), (edge,) * 4, mode="reflect")
        self.padded = planes.to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        self.mean = images.float().mean((0, 1, 2)).round().to(torch.uint8)
        self.turned_first = torch.rand(len(images)) < 0.5

    def draw(self, rows: Tensor, epoch: int) -> Tensor:
        """Images uint8 [N, H, W, C] of the given rows, from torch's generator."""
        n, side = len(rows), self.side
        steps = torch.arange(side)
        span = 2 * self.bounds.shift_pixels + 1
        down = torch.randint(span, (n, 1)) + steps
        across = torch.randint(span, (n, 1)) + steps
        turned = self.turned_first[rows] ^ (epoch % 2 == 1)
        across = torch.where(turned.view(-1, 1), across.flip(1), across)
        images = self.padded[rows.view(-1, 1, 1), down.unsqueeze(2), across.unsqueeze(1)]
        return self._blank(images)

    def _blank(self, images: Tensor) -> Tensor:
        hole, side = self.bounds.hole_pixels, self.side
        if hole == 0:
            return images
        n, steps = len(images), torch.arange(side)
        top = torch.randint(side, (n, 1)) - hole // 2
        left = torch.randint(side, (n, 1)) - hole // 2
        inside = ((steps >= top) & (steps < top + hole)).unsqueeze(2) & (
            (steps >= left) & (steps < left + hole)
        ).unsqueeze(1)
        return torch.where(inside.unsqueeze(3), self.mean, images)
