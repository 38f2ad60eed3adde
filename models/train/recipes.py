"""What can be trained: one recipe per bundle, the only place that ties a network to a data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

from torch import nn

from .augment import WarpRange
from .baseline import Baseline, inherit_all, inherit_trunks, unbranched
from .cifar import CIFAR10
from .data import DataSource
from .mnist import MNIST
from .network import Network, Normalise
from .networks.b_alexnet import b_alexnet, b_alexnet_baseline
from .networks.b_lenet import b_lenet
from .networks.b_resnet import b_resnet, b_resnet_baseline
from .networks.teacher import Teacher
from .options import AnyOptions, GraftOptions, Options


@dataclass(frozen=True)
class Lesson:
    """A teacher trained beforehand, and how far pictures are warped for it and for its student."""

    teacher: Callable[[], nn.Module]
    student_warp: WarpRange
    teacher_warp: WarpRange


@dataclass(frozen=True)
class Recipe:
    """A bundle to be: its data, network, teacher, augmentation and the options it was tuned to."""

    bundle_id: str
    version: str
    title: str
    source: DataSource
    network: Callable[[], Network]
    options: AnyOptions
    exit_names: tuple[str, ...]
    layers: str  # where the layers come from and what departs from there, for the model card
    not_good_for: str  # a sentence or two for the model card
    rates: tuple[int, ...]  # channels that may be sent across the first cut, ascending, last all
    target: str  # what the first threshold is chosen for, as --target takes it
    compact_weights: bool  # rounded to float16, and stored as such in the graphs
    baseline: Callable[[], Baseline] | None = None  # the network without branches and bottlenecks
    inherit: Callable[[Network, Baseline], None] | None = None  # from a trained baseline
    lesson: Lesson | None = None  # who teaches and from what; None where the last exit does


def _b_lenet_mnist() -> Recipe:
    normalise = (MNIST.mean, MNIST.std)
    return Recipe(
        bundle_id="b-lenet-mnist",
        version="1.0.0",
        title="B-LeNet on MNIST",
        source=MNIST,
        network=lambda: b_lenet(*normalise),
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
        rates=(6,),
        target="device-share=0.97",
        compact_weights=False,
        baseline=lambda: unbranched(b_lenet(*normalise)),
        lesson=Lesson(
            teacher=lambda: Teacher(Normalise(*normalise), channels=1, width=32, classes=10),
            student_warp=WarpRange(7, 0.07, 0.08, 1.0, 0.35, 5),
            teacher_warp=WarpRange(12, 0.12, 0.15, 2.5, 1.0, 5),
        ),
    )


NOT_GOOD_FOR_PHOTOGRAPHS = (
    "Anything but small, centred photographs of one of the ten classes, 32 x 32 pixels as CIFAR-10 "
    "prepares them. It has no class for 'none of these' and names one of the ten whatever it is "
    "shown; scenes, several objects, drawings and other sizes are untested."
)


def _b_alexnet_cifar10() -> Recipe:
    return Recipe(
        bundle_id="b-alexnet-cifar10",
        version="1.0.0",
        title="B-AlexNet on CIFAR-10",
        source=CIFAR10,
        network=lambda: b_alexnet(CIFAR10.mean, CIFAR10.std),
        options=GraftOptions(baseline_epochs=16, epochs=20),
        exit_names=("branch", "branch-2", "final"),
        layers=(
            "Trunk, branches and final layers are those of the BranchyNet authors' code: the first "
            "branch leaves behind the second convolution and the second behind the third. The text "
            "of their paper puts the first branch behind the first convolution; the code made the "
            "published table, so the code is followed. Ours: batch norm in the place of local "
            "response normalisation, folded into the convolutions at export; rectification behind "
            "the pools; pools that keep 8 x 8 and 4 x 4; and the bottlenecks at the two cuts, 1x1 "
            "convolutions on the sending side and a residual decoder on the receiving side."
        ),
        not_good_for=NOT_GOOD_FOR_PHOTOGRAPHS,
        rates=(4, 8, 12, 16),
        target="device-share=0.68",
        compact_weights=True,
        baseline=lambda: b_alexnet_baseline(CIFAR10.mean, CIFAR10.std),
        inherit=inherit_all,
    )


def _b_resnet_cifar10() -> Recipe:
    return Recipe(
        bundle_id="b-resnet-cifar10",
        version="1.0.0",
        title="B-ResNet on CIFAR-10",
        source=CIFAR10,
        network=lambda: b_resnet(CIFAR10.mean, CIFAR10.std),
        options=GraftOptions(
            baseline_epochs=24,
            baseline_shift_pixels=4,
            baseline_hole_pixels=6,
            epochs=40,
            polish_epochs=12,
            shift_pixels=3,
            hole_pixels=4,
            wanted_bytes=195.0,
        ),
        exit_names=("branch", "middle", "final"),
        layers=(
            "A residual network of this project's own, not the authors' ResNet-110, whose first branch "
            "costs 48 million multiply-accumulates. The device has a residual block at 16 x 16 and "
            "one at 8 x 8; codes are read off at both resolutions and from the picture itself. The "
            "cloud rebuilds from them what the first layers of the baseline give, 64 x 16 x 16, and "
            "goes on as the baseline does: a residual block at 16 x 16, at 8 x 8 and at 4 x 4, the "
            "last one behind the second bottleneck. The baseline has two convolutions at 32 x 32 "
            "before them, which are too dear for the device."
        ),
        not_good_for=NOT_GOOD_FOR_PHOTOGRAPHS,
        rates=(4, 8, 12, 16),
        target="device-share=0.6",
        compact_weights=True,
        baseline=lambda: b_resnet_baseline(CIFAR10.mean, CIFAR10.std),
        inherit=inherit_trunks,
    )


RECIPES: dict[str, Callable[[], Recipe]] = {
    "b-lenet-mnist": _b_lenet_mnist,
    "b-alexnet-cifar10": _b_alexnet_cifar10,
    "b-resnet-cifar10": _b_resnet_cifar10,
}
