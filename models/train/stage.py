"""One training stage: schedule, running average of weights, checkpoints, and the log.

A stage knows nothing of networks or losses; a `step` function gives the loss of a batch.
"""

from __future__ import annotations

import copy
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import torch
from torch import Tensor, nn

Figures = dict[str, float]


@dataclass(frozen=True)
class Progress:
    """Where a stage is: epoch from 0, and the part of all its steps that is done, 0 to 1."""

    epoch: int
    done: float


StepFunction = Callable[[nn.Module, Tensor, Progress], tuple[Tensor, Figures]]
CheckFunction = Callable[[nn.Module], Figures]
OptimiserFunction = Callable[[nn.Module], torch.optim.Optimizer]


@dataclass(frozen=True)
class Stage:
    """A stage's name and size; `rows` images an epoch are drawn `batch` at a time."""

    name: str
    epochs: int
    rows: int
    batch: int
    learning_rate: float
    average: float
    seed: int


class Log:
    """A JSON-lines file, one line per epoch, which also goes to the terminal."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, entry: dict[str, object]) -> None:
        line = json.dumps(
            {k: round(v, 6) if isinstance(v, float) else v for k, v in entry.items()}
        )
        with self.path.open("a") as file:
            file.write(line + "\n")
        print(line, flush=True)


def one_cycle(done: float, peak: float) -> float:
    """Learning rate at a part `done` of the stage: a linear rise, then a cosine."""
    if done < 0.1:
        return peak * (0.1 + 0.9 * done / 0.1)
    return peak * (0.001 + 0.999 * 0.5 * (1 + math.cos(math.pi * (done - 0.1) / 0.9)))


def update_average(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Moves the averaged weights and buffers towards the model's; the decay sets in gradually."""
    keep = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        pairs = zip(average.state_dict().values(), model.state_dict().values(), strict=True)
        for slow, fast in pairs:
            if slow.dtype.is_floating_point:
                slow.lerp_(fast, 1 - keep)
            else:
                slow.copy_(fast)


def run_stage(
    stage: Stage,
    model: nn.Module,
    step: StepFunction,
    check: CheckFunction,
    folder: Path,
    log: Log,
    optimise: OptimiserFunction | None = None,
    companions: nn.Module | None = None,
) -> nn.Module:
    """Trains `model` and returns its running average; goes on from the stage's checkpoint if any.

    `optimise` makes the optimiser, whose groups' learning rates are the peaks of the schedule; Adam at
    the stage's own where absent. `companions` hold what else the steps change and a checkpoint keeps.
    The checkpoint lies at `folder`/`stage.name`.pt. The order of images depends on seed and epoch
    only, so a resumed stage sees what an uninterrupted one would have seen.
    """
    path = folder / f"{stage.name}.pt"
    model.to(memory_format=torch.channels_last)
    average = copy.deepcopy(model)
    optimiser = (optimise or _adam(stage.learning_rate))(model)
    for group in optimiser.param_groups:
        group["peak"] = group["lr"]
    companions = companions or nn.Module()
    first = 0
    if path.exists():
        saved = torch.load(path, weights_only=True)
        average.load_state_dict(saved["average"])
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        companions.load_state_dict(saved["companions"])
        first = saved["epochs"]
    steps = stage.rows // stage.batch
    for epoch in range(first, stage.epochs):
        started = time.monotonic()
        torch.manual_seed(stage.seed * 1_000_003 + epoch)
        order = torch.randperm(stage.rows)
        sums: Figures = {}
        model.train()
        for number in range(steps):
            progress = Progress(epoch, (epoch * steps + number) / (stage.epochs * steps))
            for group in optimiser.param_groups:
                group["lr"] = one_cycle(progress.done, group["peak"])
            rows = order[number * stage.batch : (number + 1) * stage.batch]
            loss, figures = step(model, rows, progress)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            update_average(average, model, stage.average, epoch * steps + number)
            for key, value in {"loss": loss.item(), **figures}.items():
                sums[key] = sums.get(key, 0.0) + value / steps
        seconds = time.monotonic() - started
        average.eval()
        log.write({
            "stage": stage.name,
            "epoch": epoch + 1,
            "seconds": seconds,
            **{f"train_{key}": value for key, value in sums.items()},
            **{f"calibration_{key}": value for key, value in check(average).items()},
        })
        parts = {
            "model": model,
            "average": average,
            "optimiser": optimiser,
            "companions": companions,
        }
        _save(path, {name: part.state_dict() for name, part in parts.items()} | {"epochs": epoch + 1})
    return average.eval()


def _adam(learning_rate: float) -> OptimiserFunction:
    return lambda model: torch.optim.Adam(model.parameters(), lr=learning_rate)


def _save(path: Path, parts: dict[str, object]) -> None:
    partial = path.with_suffix(".partial")
    torch.save(parts, partial)
    partial.replace(path)
