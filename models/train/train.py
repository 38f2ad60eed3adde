"""BranchyNet's procedure with a teacher before it and a quantiser in it.

teacher -> bank (warped copies and what the teacher says of them) -> baseline (the unbranched
network) -> joint (all exits on the weighted sum of their losses, from the baseline's weights) ->
branch (the device's trunk and branch alone, which is cheap) -> finish (those two stay; all else
goes on learning on the images the branch doubts).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .augment import warp
from .bank import Bank, load_bank, logits_of, make_bank, save_bank
from .baseline import Trained, unbranched
from .data import Split
from .inference import EVALUATION_BATCH, accuracy, evaluate, rate_models
from .losses import exit_loss, image_weights, uncertainty
from .network import Network
from .options import Options
from .recipes import Recipe
from .stage import Figures, Log, Progress, Stage, run_stage

STAGES = ("teacher", "bank", "baseline", "joint", "branch", "finish", "export")


@dataclass(frozen=True)
class Drawn:
    """A batch: images uint8 [N, H, W, C], labels int64 [N], teacher's logits [N, classes]."""

    images: Tensor
    labels: Tensor
    taught: Tensor


class Trainer:
    """Runs the stages of one recipe; everything they leave lies in `folder`."""

    stages = STAGES
    method = (
        "BranchyNet's joint training from the trained baseline, with distillation from a teacher, a "
        "straight-through quantiser with a rate term, and averaged weights"
    )

    def __init__(
        self, recipe: Recipe, options: Options, splits: tuple[Split, Split], folder: Path, log: Log
    ) -> None:
        if recipe.lesson is None:
            raise ValueError(f"{recipe.bundle_id} has no teacher, which this training begins with")
        self.lesson = recipe.lesson
        self.recipe = recipe
        self.options = options
        self.training, self.calibration = splits
        self.folder = folder
        self.log = log

    def run(self, until: str) -> Trained | None:
        """All stages in order; the trained networks, or None after an earlier stage than the export."""
        teacher = self.teacher()
        if until == "teacher":
            return None
        bank = self.bank(teacher)
        if until == "bank":
            return None
        baseline = self.baseline(bank)
        if until == "baseline":
            return None
        network = self.joint(bank, baseline)
        if until == "joint":
            return None
        network = self.branch(bank, network)
        if until == "branch":
            return None
        network = self.finish(bank, network)
        return Trained(network, unbranched(baseline)) if until == "export" else None

    def epochs(self) -> dict[str, int]:
        """Epochs per stage, for the manifest."""
        options = self.options
        return {
            "teacher": options.teacher_epochs,
            "baseline": options.baseline_epochs,
            "joint": options.joint_epochs,
            "branch": options.branch_epochs,
            "finish": options.finish_epochs,
        }

    def teacher(self) -> nn.Module:
        """A teacher trained on freshly warped images; label cross-entropy only."""
        torch.manual_seed(self.options.seed)
        model = self.lesson.teacher()

        def step(model: nn.Module, rows: Tensor, progress: Progress) -> tuple[Tensor, Figures]:
            image = warp(
                self.training.images[rows], self.lesson.teacher_warp, torch.default_generator
            )
            labels = self.training.labels[rows]
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(image)
            return F.cross_entropy(logits.float(), labels), {"accuracy": accuracy(logits, labels)}

        def check(model: nn.Module) -> Figures:
            logits = logits_of(model, self.calibration.images)
            return {"accuracy": accuracy(logits, self.calibration.labels)}

        stage = replace(
            self._stage("teacher", self.options.teacher_epochs), batch=self.options.teacher_batch
        )
        return run_stage(stage, model, step, check, self.folder, self.log)

    def bank(self, teacher: nn.Module) -> Bank:
        """The warped copies, made on the first call and read from the folder afterwards."""
        path = self.folder / "bank.pt"
        if not path.exists():
            started = time.monotonic()
            options = self.options
            bank = make_bank(
                self.training, teacher, self.lesson.student_warp, options.copies, options.seed
            )
            save_bank(bank, path)
            self.log.write({"stage": "bank", "seconds": time.monotonic() - started})
        return load_bank(path)

    def baseline(self, bank: Bank) -> Network:
        """The unbranched network, from random weights."""
        torch.manual_seed(self.options.seed)

        def step(model: nn.Module, rows: Tensor, progress: Progress) -> tuple[Tensor, Figures]:
            drawn = self._draw(bank, rows, progress)
            logits = model.main(drawn.images)
            return self._exit_loss(logits, drawn).mean(), {
                "accuracy": accuracy(logits, drawn.labels)
            }

        def check(model: nn.Module) -> Figures:
            with torch.no_grad():
                logits = torch.cat(
                    [model.main(x) for x in self.calibration.images.split(EVALUATION_BATCH)]
                )
            return {"accuracy": accuracy(logits, self.calibration.labels)}

        stage = self._stage("baseline", self.options.baseline_epochs)
        return run_stage(stage, self.recipe.network(), step, check, self.folder, self.log)

    def joint(self, bank: Bank, baseline: Network) -> Network:
        """All exits together; rounding and the rate term set in over the first epochs."""
        torch.manual_seed(self.options.seed)
        options = self.options
        model = self.recipe.network()
        model.load_state_dict(baseline.state_dict())
        rates = rate_models(model, self.training.images[:2])

        def step(model: nn.Module, rows: Tensor, progress: Progress) -> tuple[Tensor, Figures]:
            drawn = self._draw(bank, rows, progress)
            hardness = min(1.0, progress.done / options.warm_share)
            return self._loss_of_all(model, rates, drawn, hardness, options.hard_share)

        stage = self._stage("joint", options.joint_epochs)
        return run_stage(
            stage, model, step, self._check_joint, self.folder, self.log, companions=rates
        )

    def branch(self, bank: Bank, network: Network) -> Network:
        """The device's trunk and branch learn on by themselves; the rest is left as it is.

        Every other epoch, the last among them, sees the images unwarped: a net this small has not
        the room to learn all warps as well as what it will be shown.
        """

        clean = torch.tensor(0)

        def step(model: nn.Module, rows: Tensor, progress: Progress) -> tuple[Tensor, Figures]:
            warped = progress.epoch % 2 == 0
            drawn = self._draw(bank, rows, progress) if warped else self._pick(bank, clean, rows)
            logits = model.branch(drawn.images)
            return self._exit_loss(logits, drawn).mean(), {
                "accuracy0": accuracy(logits, drawn.labels)
            }

        stage = self._stage("branch", self.options.branch_epochs)
        return run_stage(stage, network, step, self._check_joint, self.folder, self.log)

    def finish(self, bank: Bank, network: Network) -> Network:
        """What lies behind the branch learns on, from images the branch doubts, warped or not.

        The unwarped copy is there as a whole: the last exit must stay right on easy images too.
        """
        options = self.options
        pool = doubted_rows(network, bank, options.pool_hard)
        rates = rate_models(network, self.training.images[:2])
        per_copy = len(self.training)
        device = network.segments[0]
        device.trunk.requires_grad_(False)
        device.head.requires_grad_(False)

        def step(model: nn.Module, rows: Tensor, progress: Progress) -> tuple[Tensor, Figures]:
            model.segments[0].trunk.eval()
            model.segments[0].head.eval()
            number, row = pool[rows] // per_copy, pool[rows] % per_copy
            drawn = self._pick(bank, number, row)
            return self._loss_of_all(model, rates, drawn, 1.0, options.hard_share)

        stage = replace(
            self._stage("finish", options.finish_epochs),
            rows=len(pool),
            learning_rate=options.learning_rate / 2,
        )
        return run_stage(
            stage, network, step, self._check_joint, self.folder, self.log, companions=rates
        )

    def _loss_of_all(
        self,
        model: nn.Module,
        rates: nn.ModuleList,
        drawn: Drawn,
        hardness: float,
        hard_share: float,
    ) -> tuple[Tensor, Figures]:
        """Weighted sum over exits, plus rate and rebuilding at every cut."""
        options = self.options
        done = model.train_pass(drawn.images, hardness)
        figures: Figures = {}
        loss = torch.zeros(())
        weights = torch.ones(len(drawn.labels))
        for number, logits in enumerate(done.logits):
            per_image = self._exit_loss(logits, drawn)
            last = number == len(done.logits) - 1
            share = options.last_weight if last else options.first_weight
            loss = loss + share * (weights * per_image).mean()
            figures[f"loss{number}"] = per_image.mean().item()
            figures[f"accuracy{number}"] = accuracy(logits, drawn.labels)
            if last:
                break
            weights = image_weights(logits, hard_share)
            rates[number].observe(done.values[number], weights)
            bits = (weights * rates[number].bits_per_image(done.values[number])).mean()
            loss = loss + hardness * options.rate * bits
            target = done.features[number].detach()
            rebuilt = F.mse_loss(done.decoded[number], target) / target.var().clamp_min(1e-6)
            loss = loss + options.rebuild_weight * rebuilt
            figures[f"bytes{number + 1}"] = bits.item() / 8
            figures[f"rebuild{number + 1}"] = rebuilt.item()
        return loss, figures

    def _check_joint(self, model: nn.Module) -> Figures:
        """Per exit loss and accuracy; at 97 % on the device, without temperatures, the overall
        accuracy and the device's share of the errors."""
        logits, _ = evaluate(model, self.calibration.images)
        labels = self.calibration.labels
        figures: Figures = {}
        for number, rows in enumerate(logits.unbind(1)):
            figures[f"loss{number}"] = F.cross_entropy(rows, labels).item()
            figures[f"accuracy{number}"] = accuracy(rows, labels)
        doubt = torch.special.entr(logits[:, 0].softmax(1)).sum(1)
        sent = doubt > doubt.quantile(0.97)
        answers = torch.where(sent, logits[:, -1].argmax(1), logits[:, 0].argmax(1))
        wrong = answers != labels
        figures["overall97"] = 1 - wrong.float().mean().item()
        figures["device_errors97"] = (wrong & ~sent).float().mean().item()
        return figures

    def _draw(self, bank: Bank, rows: Tensor, progress: Progress) -> Drawn:
        """Some rows of the epoch's copy."""
        number = progress.epoch % len(bank.images)
        return self._pick(bank, torch.tensor(number), rows)

    def _pick(self, bank: Bank, number: Tensor, row: Tensor) -> Drawn:
        """Rows [N] of the copies `number`, one for all or one each [N]."""
        return Drawn(bank.images[number, row], self.training.labels[row], bank.taught[number, row])

    def _exit_loss(self, logits: Tensor, drawn: Drawn) -> Tensor:
        options = self.options
        return exit_loss(
            logits, drawn.labels, drawn.taught, options.distil, options.distil_temperature
        )

    def _stage(self, name: str, epochs: int) -> Stage:
        options = self.options
        return Stage(
            name=name,
            epochs=epochs,
            rows=len(self.training),
            batch=options.batch,
            learning_rate=options.learning_rate,
            average=options.average,
            seed=options.seed,
        )


@torch.no_grad()
def doubted_rows(network: Network, bank: Bank, hard: float) -> Tensor:
    """Rows of the bank (copy * n + row): the part `hard` of least sure branch, all of copy 0."""
    network.eval()
    doubts = []
    for copy in bank.images:
        for chunk in copy.split(EVALUATION_BATCH):
            doubts.append(uncertainty(network.branch(chunk)))
    doubt = torch.cat(doubts)
    hardest = doubt.topk(round(hard * len(doubt))).indices
    return torch.cat([torch.arange(bank.images.shape[1]), hardest])
