"""What can be trained: one recipe per bundle, the only place that ties a network to a data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

from torch import nn

from .augment import WarpRange
from .data import MNIST, DataSource
from .network import Network, Normalise
from .networks.b_lenet import b_lenet
from .networks.teacher import Teacher
from .options import Options


@dataclass(frozen=True)
class Recipe:
    """A bundle to be: its data, network, teacher, augmentation and the options it was tuned to."""

    bundle_id: str
    version: str
    title: str
    source: DataSource
    network: Callable[[], Network]
    teacher: Callable[[], nn.Module]
    student_warp: WarpRange
    teacher_warp: WarpRange
    options: Options
    exit_names: tuple[str, ...]
    layers: str  # where the layers come from and what departs from there, for the model card
    not_good_for: str  # a sentence or two for the model card


def _b_lenet_mnist() -> Recipe:
    normalise = (MNIST.mean, MNIST.std)
    return Recipe(
        bundle_id="b-lenet-mnist",
        version="1.0.0",
        title="B-LeNet on MNIST",
        source=MNIST,
        network=lambda: b_lenet(*normalise),
        teacher=lambda: Teacher(Normalise(*normalise), channels=1, width=32, classes=10),
        student_warp=WarpRange(7, 0.07, 0.08, 1.0, 0.35, 5),
        teacher_warp=WarpRange(12, 0.12, 0.15, 2.5, 1.0, 5),
        options=Options(),
        exit_names=("branch", "final"),
        layers=(
            "Trunk, branch and final layers are those of the BranchyNet authors' code: kernel sizes, "
            "paddings, pooling that rounds up, no activation between the last two linear layers. Ours: "
            "batch norm while training, folded into the convolutions at export, and the bottleneck at "
            "the cut, two small strided convolutions on the device and a residual decoder in the cloud, "
            "which is most of `s1`."
        ),
        not_good_for=(
            "Anything but centred, size-normalised grey digits, light ink on a dark ground, as "
            "MNIST prepares them: photographs of digits, several digits in a picture, letters, "
            "inverted or off-centre pictures. It has no class for 'none of these' and answers "
            "noise with a digit."
        ),
    )


RECIPES: dict[str, Callable[[], Recipe]] = {"b-lenet-mnist": _b_lenet_mnist}
