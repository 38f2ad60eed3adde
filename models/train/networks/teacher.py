"""The teacher: a plain convolutional network, strong enough to distil from, never deployed."""

from __future__ import annotations

from torch import Tensor, nn

from ..network import ConvBn, Normalise


class Teacher(nn.Module):
    """Three stages of 3x3 convolutions, `width` channels doubling at each pooling.

    Image uint8 [N, H, W, C] in, logits [N, classes] out.
    """

    def __init__(self, normalise: Normalise, channels: int, width: int, classes: int) -> None:
        super().__init__()
        self.normalise = normalise
        self.layers = nn.Sequential(
            *_stage(channels, width),
            *_stage(width, width),
            nn.MaxPool2d(2),
            *_stage(width, 2 * width),
            *_stage(2 * width, 2 * width),
            nn.MaxPool2d(2),
            *_stage(2 * width, 4 * width),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(16 * width, classes),
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(self.normalise(image))


def _stage(inputs: int, outputs: int) -> tuple[nn.Module, nn.Module]:
    return ConvBn(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)), nn.ReLU()
