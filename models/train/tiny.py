"""A recipe of three segments so small that tests can train and export it in seconds."""

from __future__ import annotations

import torch
from torch import nn

from .baseline import inherit_all, unbranched
from .data import DataSource, Images, Split
from .network import Network, Normalise, Segment
from .networks.blocks import conv
from .options import AnyOptions, GraftOptions
from .recipes import Recipe

SIDE, CLASSES = 8, 4


def tiny_network() -> Network:
    """Codes 4 x 4 x 4 of 2 bits at the first cut, 3 x 4 x 4 of 3 bits at the second."""
    device = Segment(
        "s0",
        trunk=nn.Sequential(conv(3, 8, 3, 2), nn.ReLU()),
        head=nn.Sequential(nn.Flatten(), nn.Linear(128, CLASSES)),
        encoder=conv(8, 4, 1),
        bits=2,
    )
    near = Segment(
        "s1",
        decoder=nn.Sequential(conv(4, 8), nn.ReLU()),
        trunk=nn.Sequential(conv(8, 16), nn.ReLU()),
        head=nn.Sequential(nn.Flatten(), nn.Linear(256, CLASSES)),
        encoder=conv(16, 3, 1),
        bits=3,
    )
    far = Segment(
        "s2",
        decoder=nn.Sequential(conv(3, 16), nn.ReLU()),
        trunk=nn.Sequential(conv(16, 16), nn.ReLU()),
        head=nn.Sequential(nn.Flatten(), nn.Linear(256, CLASSES)),
    )
    return Network(Normalise((0.4, 0.5, 0.6), (0.2, 0.3, 0.2)), [device, near, far])


def tiny_images(count: int, seed: int) -> Images:
    """Noise whose corner is lighter, which of the four is the class."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 160, (count, SIDE, SIDE, 3), generator=generator)
    labels = torch.arange(count) % CLASSES
    half = SIDE // 2
    for number, label in enumerate(labels.tolist()):
        down, across = label // 2 * half, label % 2 * half
        pixels[number, down : down + half, across : across + half] += 60
    return Images(pixels.to(torch.uint8), labels, torch.arange(count) % 10 != 0)


def tiny_split(name: str, count: int, seed: int) -> Split:
    """Images of which every tenth is called an approximation."""
    images = tiny_images(count, seed)
    return Split(name, images.pixels, images.labels, images.exact)


def tiny_recipe(options: AnyOptions | None = None, *, compact_weights: bool = True) -> Recipe:
    """A recipe as the others are; the trunks fit each other without what lies between them."""
    source = DataSource(
        name="corners",
        classes=("north-west", "north-east", "south-west", "south-east"),
        shape=(SIDE, SIDE, 3),
        mean=(0.4, 0.5, 0.6),
        std=(0.2, 0.3, 0.2),
        load_training=lambda _: tiny_images(6_000, 1),
        load_test=lambda _: tiny_images(1_000, 2),
        licence="None needed.",
        citation="none",
    )
    return Recipe(
        bundle_id="tiny-corners",
        version="0.1.0",
        title="Corners",
        source=source,
        network=tiny_network,
        options=options or GraftOptions(),
        exit_names=("branch", "middle", "final"),
        layers="A few convolutions.",
        not_good_for="Anything.",
        rates=(1, 2, 4),
        target="device-share=0.5",
        compact_weights=compact_weights,
        baseline=lambda: unbranched(tiny_network()),
        inherit=inherit_all,
    )
