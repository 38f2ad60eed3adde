"""Every number a training can be given, with its command-line flag and help."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass, field, fields


def _option(default: object, words: str, stage: str | None = None) -> object:
    """`stage` is the only stage that the option has a say in, None where that is not so clear."""
    return field(default=default, metadata={"help": words, "stage": stage})


@dataclass(frozen=True)
class Options:
    """Hyper-parameters; a recipe gives its own defaults, the command line overrides them."""

    seed: int = _option(1, "seed of weights, order of images and augmentation")
    batch: int = _option(128, "images a step")
    teacher_batch: int = _option(256, "images a step of the teacher")
    teacher_epochs: int = _option(8, "epochs of the teacher")
    baseline_epochs: int = _option(6, "epochs of the unbranched baseline")
    joint_epochs: int = _option(10, "epochs of all exits together")
    branch_epochs: int = _option(30, "epochs of the device's trunk and branch alone")
    finish_epochs: int = _option(6, "epochs of what lies behind the branch, on doubted images")
    copies: int = _option(12, "warped copies of the training split, re-used in turn")
    learning_rate: float = _option(4e-3, "peak of the one-cycle schedule (Adam)")
    first_weight: float = _option(1.0, "loss weight of every exit but the last")
    last_weight: float = _option(0.3, "loss weight of the last exit")
    rebuild_weight: float = _option(0.1, "loss weight of rebuilding the features behind a cut")
    distil: float = _option(0.4, "share of the teacher in the loss, the rest is the label's")
    distil_temperature: float = _option(2.0, "softening of both sides while distilling")
    rate: float = _option(3e-4, "loss per mean bit of codes, once the quantiser is warm")
    hard_share: float = _option(0.5, "part of last-exit and rate weight that follows uncertainty")
    pool_hard: float = _option(0.08, "part of all copies that the branch doubts most, to finish on")
    warm_share: float = _option(0.3, "part of the joint epochs over which rounding sets in")
    average: float = _option(0.998, "decay of the running average of weights that is deployed")


@dataclass(frozen=True)
class GraftOptions:
    """Hyper-parameters of a training that grafts device and cuts onto a trained network."""

    seed: int = _option(1, "seed of weights, order of images and augmentation")
    batch: int = _option(512, "images a step")
    baseline_epochs: int = _option(14, "epochs of the unbranched baseline")
    baseline_shift_pixels: int = _option(3, "most pixels its crops are off centre, each way")
    baseline_hole_pixels: int = _option(0, "side of its blanked square")
    epochs: int = _option(24, "epochs of the branchy network", "graft")
    muon_rate: float = _option(0.12, "peak step of the convolutions, relative to their weights")
    adam_rate: float = _option(4e-3, "peak learning rate of everything else")
    graft_rate: float = _option(0.6, "part of both rates that the branchy network learns at", "graft")
    polish_epochs: int = _option(0, "epochs of the branchy network once more", "polish")
    polish_rate: float = _option(0.3, "part of both rates that it is polished at", "polish")
    polish_share: float = _option(0.4, "part of the polished weights in the average", "polish")
    polish_blended: float = _option(0.5, "part of the images that are blended meanwhile", "polish")
    first_weight: float = _option(0.4, "loss weight of every exit but the last", "graft")
    last_weight: float = _option(1.0, "loss weight of the last exit", "graft")
    rebuild_weight: float = _option(
        1.0, "loss weight of rebuilt features, going down to a tenth", "graft"
    )
    smoothing: float = _option(0.1, "label smoothing")
    distil: float = _option(0.7, "share of the baseline in the loss, the rest is the label's", "graft")
    distil_temperature: float = _option(2.0, "softening of both sides while distilling", "graft")
    warm_share: float = _option(0.2, "part of the epochs over which rounding sets in", "graft")
    wanted_bytes: float = _option(
        170.0, "mean coded bytes at each cut that the price steers to", "graft"
    )
    hard_share: float = _option(
        0.5, "part of an image's weight in that mean that follows doubt", "graft"
    )
    fewer_share: float = _option(0.15, "part of the images that send fewer channels", "graft")
    shift_pixels: int = _option(4, "most pixels a crop is off centre, each way", "graft")
    hole_pixels: int = _option(8, "side of the blanked square", "graft")
    average: float = _option(0.99, "decay of the running average of weights that is deployed")


AnyOptions = Options | GraftOptions


def add_flags(parser: argparse.ArgumentParser, defaults: AnyOptions) -> None:
    """One flag per option, so that what is trained can always be said as a command."""
    for item in fields(defaults):
        default = getattr(defaults, item.name)
        parser.add_argument(
            f"--{item.name.replace('_', '-')}",
            type=type(default),
            default=default,
            help=f"{item.metadata['help']} (default {default})",
        )


def from_flags(arguments: argparse.Namespace, defaults: AnyOptions) -> AnyOptions:
    """The options a parsed command line gives, of the kind that `defaults` are."""
    return type(defaults)(
        **{item.name: getattr(arguments, item.name) for item in fields(defaults)}
    )


def stages_of(options: AnyOptions) -> dict[str, str]:
    """Options that a single stage looks at, and which one."""
    stages = {item.name: item.metadata["stage"] for item in fields(options)}
    return {name: stage for name, stage in stages.items() if stage is not None}


def changed_flags(options: AnyOptions, defaults: AnyOptions) -> list[str]:
    """The flags that say in what `options` departs from `defaults`."""
    before = asdict(defaults)
    return [
        f"--{name.replace('_', '-')} {value}"
        for name, value in asdict(options).items()
        if value != before[name]
    ]
