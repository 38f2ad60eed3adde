"""Every number a training can be given, with its command-line flag and help."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass, field, fields


def _option(default: object, words: str) -> object:
    return field(default=default, metadata={"help": words})


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


def add_flags(parser: argparse.ArgumentParser, defaults: Options) -> None:
    """One flag per option, so that what is trained can always be said as a command."""
    for item in fields(Options):
        default = getattr(defaults, item.name)
        parser.add_argument(
            f"--{item.name.replace('_', '-')}",
            type=type(default),
            default=default,
            help=f"{item.metadata['help']} (default {default})",
        )


def from_flags(arguments: argparse.Namespace) -> Options:
    """The options a parsed command line gives."""
    return Options(**{item.name: getattr(arguments, item.name) for item in fields(Options)})


def changed_flags(options: Options, defaults: Options) -> list[str]:
    """The flags that say in what `options` departs from `defaults`."""
    before = asdict(defaults)
    return [
        f"--{name.replace('_', '-')} {value}"
        for name, value in asdict(options).items()
        if value != before[name]
    ]
