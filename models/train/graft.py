"""The unbranched network first; then the device and the cuts, grafted onto it.

baseline -> graft -> polish: the segments behind the first cut begin as the baseline's, decoders learn
to give what the baseline has at the same place (features distilled on both sides of a cut, as in
Matsubara et al. 2022), and every exit learns from the baseline's answer and the label. Quantisers harden over the
first part, a price per bit steers each cut towards its wanted bytes, and some images send only the
first channels of the first cut, so that the same weights serve at several rates. Polishing is the same
once more from where grafting ended, the quantisers hard from the start (a warm restart, Loshchilov and
Hutter 2017), and part of the pictures blended in pairs, of which the baseline alone knows the answer;
what is kept is an average of the network before and after it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .augment import CropRange, Cropper, blend
from .averaging import averaged, refresh_norms
from .baseline import Baseline, Trained
from .data import Split
from .inference import EVALUATION_BATCH, accuracy, evaluate, exit_figures, rate_models
from .losses import exit_loss, image_weights
from .network import Network, fuse
from .optimise import muon_adam
from .options import GraftOptions
from .price import Price
from .quantise import draw_kept
from .recipes import Recipe
from .stage import Figures, Log, Progress, Stage, run_stage

NORM_BATCHES = 16
STAGES = ("baseline", "graft", "polish", "export")


@dataclass(frozen=True)
class Lesson:
    """What a batch is to learn: labels [N], the baseline's features and logits, and how it is graded."""

    labels: Tensor
    blended: int  # the first so many images are blends, which have no label
    features: list[Tensor]
    taught: Tensor
    hardness: float  # as in Quantiser.soft_codes
    rebuild_weight: float


class Graft:
    """Runs the stages of one recipe; everything they leave lies in `folder`."""

    stages = STAGES
    method = (
        "the baseline by itself, from random weights and the labels alone; then device, cuts and exits "
        "grafted onto it: the segments behind the first cut begin as the baseline's, every exit learns "
        "from the baseline's answer and the label, and what is rebuilt behind a cut from the baseline's "
        "features at that place; straight-through quantisers with a price per bit that moves until each "
        "cut costs the bytes wanted; some images send fewer channels across the first cut; Muon for "
        "convolutions and Adam for the rest; averaged weights; where it is polished, the same once more at a "
        "lower rate, some images blended in pairs and learnt from the baseline's answer alone, and weights between "
        "those before and after it"
    )

    def __init__(
        self,
        recipe: Recipe,
        options: GraftOptions,
        splits: tuple[Split, Split],
        folder: Path,
        log: Log,
    ) -> None:
        if recipe.baseline is None or recipe.inherit is None:
            raise ValueError(f"{recipe.bundle_id} has no baseline, which this training begins with")
        self.recipe = recipe
        self.options = options
        self.training, self.calibration = splits
        self.folder = folder
        self.log = log

    def run(self, until: str) -> Trained | None:
        """All stages in order; the trained networks, or None after an earlier stage than the export."""
        baseline = self.baseline()
        if until == "baseline":
            return None
        grafted = self.graft(baseline)
        if until == "graft":
            return None
        network = self.polish(grafted, baseline)
        return Trained(network, baseline) if until == "export" else None

    def epochs(self) -> dict[str, int]:
        """Epochs per stage, for the manifest."""
        options = self.options
        stages = {"baseline": options.baseline_epochs, "graft": options.epochs}
        return stages | ({"polish": options.polish_epochs} if options.polish_epochs else {})

    def baseline(self) -> Baseline:
        """The unbranched network, from random weights and labels alone."""
        options = self.options
        torch.manual_seed(options.seed)
        model = self.recipe.baseline()
        cropper = self._cropper(options.baseline_shift_pixels, options.baseline_hole_pixels)

        def step(model: nn.Module, rows: Tensor, progress: Progress) -> tuple[Tensor, Figures]:
            labels = self.training.labels[rows]
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(cropper.draw(rows, progress.epoch))
            loss = F.cross_entropy(logits.float(), labels, label_smoothing=options.smoothing)
            return loss, {"accuracy": accuracy(logits, labels)}

        @torch.no_grad()
        def check(model: nn.Module) -> Figures:
            with torch.autocast("cpu", torch.bfloat16):
                rows = [model(x).float() for x in self.calibration.images.split(EVALUATION_BATCH)]
            return {"accuracy": accuracy(torch.cat(rows), self.calibration.labels)}

        optimise = muon_adam(options.muon_rate, options.adam_rate)
        stage = self._stage("baseline", options.baseline_epochs)
        return run_stage(stage, model, step, check, self.folder, self.log, optimise)

    def graft(self, baseline: Baseline) -> Network:
        """Device, cuts and exits, learnt from the baseline."""
        options = self.options
        torch.manual_seed(options.seed)
        model = self.recipe.network()
        self.recipe.inherit(model, baseline)
        cuts = self._cuts(model)
        return self._learn(
            self._stage("graft", options.epochs), options.graft_rate, model, baseline, cuts
        )

    def polish(self, grafted: Network, baseline: Baseline) -> Network:
        """The grafted network trained on with its quantisers hard, and the average of both."""
        options = self.options
        if options.polish_epochs == 0:
            return grafted
        torch.manual_seed(options.seed)
        model = copy.deepcopy(grafted)
        cuts = self._cuts(model)
        cuts.load_state_dict(torch.load(self.folder / "graft.pt", weights_only=True)["companions"])
        stage = self._stage("polish", options.polish_epochs)
        polished = self._learn(stage, options.polish_rate, model, baseline, cuts)
        between = averaged(grafted, polished, options.polish_share)
        cropper = self._cropper(options.shift_pixels, options.hole_pixels)
        rows = torch.randperm(len(self.training))[: NORM_BATCHES * options.batch]
        with torch.autocast("cpu", torch.bfloat16):
            refresh_norms(
                between,
                lambda images: between.train_pass(images, 1.0),
                (cropper.draw(part, 0) for part in rows.split(options.batch)),
            )
        return between

    def _cuts(self, model: Network) -> nn.ModuleList:
        """What prices the bits: how likely each code is, and what a bit costs, at every cut."""
        rates = rate_models(model, self.training.images[:2])
        return nn.ModuleList([rates, nn.ModuleList(Price(self.options.wanted_bytes) for _ in rates)])

    def _learn(
        self, stage: Stage, rate: float, model: Network, baseline: Baseline, cuts: nn.ModuleList
    ) -> Network:
        """One stage of learning from the baseline."""
        options = self.options
        teacher = fuse(baseline).to(memory_format=torch.channels_last)
        rates, prices = cuts
        cropper = self._cropper(options.shift_pixels, options.hole_pixels)
        polishing = stage.name == "polish"
        warm_share = 0.0 if polishing else options.warm_share
        blended = int(options.batch * options.polish_blended) if polishing else 0

        def step(model: nn.Module, rows: Tensor, progress: Progress) -> tuple[Tensor, Figures]:
            images, labels = cropper.draw(rows, progress.epoch), self.training.labels[rows]
            if blended:
                images = blend(images, blended)
            hardness = 1.0 if warm_share == 0 else min(1.0, progress.done / warm_share)
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                features = teacher.features(images)
                taught = teacher.head(features[-1]).float()
            rebuild = options.rebuild_weight * (0.1 if polishing else 1 - 0.9 * progress.done)
            lesson = Lesson(labels, blended, features, taught, hardness, rebuild)
            return self._loss(model, rates, prices, images, lesson)

        optimise = muon_adam(rate * options.muon_rate, rate * options.adam_rate)
        return run_stage(
            stage, model, step, self._check, self.folder, self.log, optimise, companions=cuts
        )

    def _loss(
        self,
        model: Network,
        rates: nn.ModuleList,
        prices: nn.ModuleList,
        images: Tensor,
        lesson: Lesson,
    ) -> tuple[Tensor, Figures]:
        """Weighted sum over exits, plus rebuilding and the price of the bits at every cut."""
        options = self.options
        labels, taught, plain = lesson.labels, lesson.taught, slice(lesson.blended, None)
        distil = torch.full((len(labels),), options.distil)
        distil[: lesson.blended] = 1.0
        with torch.autocast("cpu", torch.bfloat16):
            kept = draw_kept(self.recipe.rates, len(labels), options.fewer_share)
            passed = model.train_pass(images, lesson.hardness, kept)
        exits = [logits.float() for logits in passed.logits]
        figures: Figures = {}
        loss = torch.zeros(())
        for number, logits in enumerate(exits):
            last = number == len(exits) - 1
            per_image = exit_loss(logits, labels, taught, distil, options.distil_temperature)
            loss = loss + (options.last_weight if last else options.first_weight) * per_image.mean()
            figures[f"accuracy{number}"] = accuracy(logits[plain], labels[plain])
        for number, values in enumerate(passed.values):
            weights = image_weights(exits[number][plain], options.hard_share)
            rates[number].observe(values[plain], weights)
            bits = (weights * rates[number].bits_per_image(values[plain])).mean()
            loss = loss + lesson.hardness * prices[number].per_bit * bits
            prices[number].move(bits.item() / 8)
            target = lesson.features[number].float()
            error = F.mse_loss(passed.decoded[number].float(), target) / target.var()
            loss = loss + lesson.rebuild_weight * error
            figures[f"bytes{number + 1}"] = bits.item() / 8
            figures[f"price{number + 1}"] = float(prices[number].per_bit)
            figures[f"rebuild{number + 1}"] = error.item()
        return loss, figures

    @torch.no_grad()
    def _check(self, model: nn.Module) -> Figures:
        """What is worth watching on the calibration split."""
        with torch.autocast("cpu", torch.bfloat16):
            logits = evaluate(model, self.calibration.images)[0].float()
        return exit_figures(logits, self.calibration.labels)

    def _cropper(self, shift: int, hole: int) -> Cropper:
        torch.manual_seed(self.options.seed)
        return Cropper(self.training.images, CropRange(shift, hole))

    def _stage(self, name: str, epochs: int) -> Stage:
        options = self.options
        return Stage(
            name=name,
            epochs=epochs,
            rows=len(self.training),
            batch=options.batch,
            learning_rate=options.muon_rate,
            average=options.average,
            seed=options.seed,
        )
