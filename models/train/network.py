"""A network as a list of segments, whatever its layers: what is trained and exported."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Sequence, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .quantise import Quantiser


WEIGHTED = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)  # layers that multiply by learned weights


class ConvBn(nn.Module):
    """A convolution with batch norm, which `fuse` turns into one convolution for inference."""

    def __init__(self, conv: nn.Conv2d | nn.ConvTranspose2d) -> None:
        super().__init__()
        self.conv = conv
        self.norm = nn.BatchNorm2d(conv.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))

    def fused(self) -> nn.Module:
        """The same map in evaluation mode as one convolution."""
        return fuse_conv_bn_eval(self.conv, self.norm, isinstance(self.conv, nn.ConvTranspose2d))


class ConvPoolNorm(nn.Module):
    """A convolution, max pooling, and batch norm whose gains are taken without their sign.

    A rising affine map per channel commutes with the maximum, so the norm still folds into the
    convolution, while training normalises a quarter of the values.
    """

    def __init__(self, conv: nn.Conv2d, pool: nn.MaxPool2d) -> None:
        super().__init__()
        self.conv = conv
        self.pool = pool
        self.norm = nn.BatchNorm2d(conv.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        norm = self.norm
        return F.batch_norm(
            self.pool(self.conv(x)),
            norm.running_mean,
            norm.running_var,
            norm.weight.abs(),
            norm.bias,
            training=norm.training,
            momentum=norm.momentum,
            eps=norm.eps,
        )

    def fused(self) -> nn.Module:
        """The same map in evaluation mode as one convolution and the pooling."""
        norm = copy.deepcopy(self.norm)
        norm.weight.data.abs_()
        return nn.Sequential(fuse_conv_bn_eval(self.conv, norm), self.pool)


class Normalise(nn.Module):
    """Image uint8 [N, H, W, C] to float [N, C, H, W] with the data set's mean and deviation."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("gain", torch.tensor([1 / (255 * s) for s in std]).view(1, -1, 1, 1))
        offsets = [-m / s for m, s in zip(mean, std, strict=True)]
        self.register_buffer("offset", torch.tensor(offsets).view(1, -1, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        return image.permute(0, 3, 1, 2).float() * self.gain + self.offset


class Segment(nn.Module):
    """One segment: `trunk` to the cut's features, `head` to logits, and two bottleneck halves.

    `decoder` turns de-quantised codes [N, c, h, w] into the trunk's input; the first segment has
    none. `encoder` turns the cut's features into the quantiser's input; the last has none.
    """

    def __init__(
        self,
        name: str,
        trunk: nn.Module,
        head: nn.Module,
        *,
        decoder: nn.Module | None = None,
        encoder: nn.Module | None = None,
        bits: int | None = None,
    ) -> None:
        super().__init__()
        if (encoder is None) != (bits is None):
            raise ValueError(f"segment {name}: encoder and bits go together")
        self.name = name
        self.decoder = decoder
        self.trunk = trunk
        self.head = head
        self.encoder = encoder
        self.quantiser = None if bits is None else Quantiser(bits)


@dataclass
class Pass:
    """What one training pass leaves behind, per exit or per cut."""

    logits: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)  # real-valued levels before rounding
    features: list[Tensor] = field(default_factory=list)  # the trunk's features at the cut
    decoded: list[Tensor] = field(default_factory=list)  # the same rebuilt from the codes


class Network(nn.Module):
    """Segments in order, joined through quantised bottlenecks; input image uint8 [N, H, W, C]."""

    def __init__(self, normalise: Normalise, segments: Sequence[Segment]) -> None:
        super().__init__()
        for number, segment in enumerate(segments):
            if (segment.decoder is None) != (number == 0):
                raise ValueError(f"segment {segment.name}: every segment but the first decodes")
            if (segment.encoder is None) != (number == len(segments) - 1):
                raise ValueError(f"segment {segment.name}: every segment but the last encodes")
        self.normalise = normalise
        self.segments = nn.ModuleList(segments)

    def main(self, image: Tensor) -> Tensor:
        """Logits [N, classes] of the unbranched network: trunks and last head, no bottleneck."""
        x = self.normalise(image)
        for segment in self.segments:
            x = segment.trunk(x)
        return self.segments[-1].head(x)

    def branch(self, image: Tensor) -> Tensor:
        """Logits [N, classes] of the first exit alone."""
        device = self.segments[0]
        return device.head(device.trunk(self.normalise(image)))

    def train_pass(self, image: Tensor, hardness: float, kept: Tensor | None = None) -> Pass:
        """All exits with the quantisers straight through; `hardness` as in Quantiser.soft_codes.

        `kept` [N] is the number of channels that each image sends across the first cut, None for all.
        """
        done = Pass()
        x = self.normalise(image)
        for segment in self.segments:
            if segment.decoder is not None:
                x = segment.decoder(x)
                done.decoded.append(x)
            x = segment.trunk(x)
            done.logits.append(segment.head(x))
            if segment.encoder is not None:
                done.features.append(x)
                values = segment.quantiser.values(segment.encoder(x))
                done.values.append(values)
                levels = segment.quantiser.soft_codes(values, hardness)
                if kept is not None and len(done.values) == 1:
                    levels = segment.quantiser.keep(levels, kept)
                x = segment.quantiser.dequantise(levels)
        return done

    def forward(self, image: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Inference: (logits per exit float [N, classes], codes per cut uint8 [N, c, h, w])."""
        logits, codes = [], []
        for segment in deployed(self):
            results = segment(codes[-1] if codes else image)
            logits.append(results[0])
            codes.extend(results[1:])
        return logits, codes


class DeployedSegment(nn.Module):
    """One segment as it is exported: image or codes in; logits and, but for the last, codes out."""

    def __init__(self, network: Network, number: int) -> None:
        super().__init__()
        self.segment = network.segments[number]
        self.normalise = network.normalise if number == 0 else None
        self.incoming = None if number == 0 else network.segments[number - 1].quantiser

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        if self.normalise is not None:
            x = self.normalise(x)
        else:
            x = self.segment.decoder(self.incoming.dequantise(x))
        features = self.segment.trunk(x)
        logits = self.segment.head(features)
        if self.segment.encoder is None:
            return (logits,)
        return logits, self.segment.quantiser.codes(self.segment.encoder(features))


class DeployedWhole(nn.Module):
    """The whole network through its bottlenecks: image in, logits of every exit out."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.network(image)[0])


def deployed(network: Network) -> list[DeployedSegment]:
    """The segments of a network as they are exported, sharing its parameters."""
    return [DeployedSegment(network, number) for number in range(len(network.segments))]


AnyModule = TypeVar("AnyModule", bound=nn.Module)


def fuse(network: AnyModule) -> AnyModule:
    """A copy in evaluation mode in which every batch norm is part of its convolution."""
    fused = copy.deepcopy(network).eval()
    for module in list(fused.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, (ConvBn, ConvPoolNorm)):
                setattr(module, name, child.fused())
    return fused


@torch.no_grad()
def round_to_half(network: nn.Module) -> None:
    """Rounds weights and biases of convolutions and linear layers to float16, still held as float32.

    Raises ValueError where one is too large for float16.
    """
    for name, layer in network.named_modules():
        if not isinstance(layer, WEIGHTED):
            continue
        for parameter in layer.parameters():
            rounded = parameter.half().float()
            if not rounded.isfinite().all():
                raise ValueError(f"{name} has a weight of {parameter.abs().max():.3g}, beyond float16")
            parameter.copy_(rounded)


def count_parameters(module: nn.Module) -> int:
    """Number of learned values."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_macs(module: nn.Module, example: Tensor) -> int:
    """Multiply-accumulates of convolutions and linear layers for one row of `example` [1, ...]."""
    total = 0

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Linear):
            total += layer.in_features * layer.out_features
        elif isinstance(layer, nn.ConvTranspose2d):
            total += inputs[0].numel() * layer.weight[0].numel()
        elif isinstance(layer, nn.Conv2d):
            total += output.numel() * layer.weight[0].numel()

    hooks = [m.register_forward_hook(note) for m in module.modules() if isinstance(m, WEIGHTED)]
    with torch.no_grad():
        module(example)
    for hook in hooks:
        hook.remove()
    return total
