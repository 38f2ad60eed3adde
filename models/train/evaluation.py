"""The exported graphs at work in onnxruntime, held against each other and against PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from torch import nn

from .data import Split
from .files import Entry
from .graphs import ExportError
from .network import Network, deployed

BATCH = 500
CHECKED_IMAGES = 1_000
LOGIT_TOLERANCE = 1e-4
MOVED_CODES = 1e-4  # share of codes that may lie on a border and round the other way

Array = np.ndarray


@dataclass(frozen=True)
class Evaluated:
    """What the exported graphs gave for one split."""

    split: Split
    logits: Array  # float32 [n, exits, classes], from the whole graph
    codes: list[Array]  # per cut uint8 [n, c, h, w], from the joined segments
    baseline: Array | None  # float32 [n, classes], where there is a baseline
    joined_departure: float  # largest difference of a logit between joined segments and whole graph


@dataclass(frozen=True)
class Departure:
    """How far an exported graph is from the PyTorch network, both given the same input."""

    name: str
    logit: float  # largest difference
    moved: int  # codes that differ
    codes: int  # codes compared


class Graphs:
    """The graphs of a bundle, opened; `folder` has the files that the manifest entries name."""

    def __init__(
        self, folder: Path, segments: list[Entry], whole: Entry, baseline: Entry | None
    ) -> None:
        self.segments = [_open(folder / entry["file"]) for entry in segments]
        self.whole = _open(folder / whole["file"])
        self.baseline = None if baseline is None else _open(folder / baseline["file"])

    def joined(self, rows: Array, first: int = 0) -> tuple[list[Array], list[Array]]:
        """Logits per exit [n, classes] and codes per cut [n, c, h, w] of the segments from `first` on.

        `rows` are what that segment takes: images uint8 [n, H, W, C] or codes.
        """
        logits, codes = [], []
        for session in self.segments[first:]:
            results = session.run(None, {session.get_inputs()[0].name: rows})
            logits.append(results[0])
            if len(results) == 2:
                rows = results[1]
                codes.append(rows)
        return logits, codes


def _open(path: Path) -> ort.InferenceSession:
    """A session on the CPU with as many threads as PyTorch has."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def evaluate_graphs(graphs: Graphs, split: Split) -> Evaluated:
    """Runs every graph on a split; ExportError where joined segments and whole differ in a label."""
    at_once, in_parts, codes, plain = [], [], [], []
    for chunk in split.images.split(BATCH):
        images = chunk.numpy()
        at_once.append(np.stack(graphs.whole.run(None, {"image": images}), 1))
        exits, cuts = graphs.joined(images)
        in_parts.append(np.stack(exits, 1))
        codes.append(cuts)
        if graphs.baseline is not None:
            plain.append(graphs.baseline.run(None, {"image": images})[0])
    logits, joined_logits = np.concatenate(at_once), np.concatenate(in_parts)
    differing = int((logits.argmax(2) != joined_logits.argmax(2)).sum())
    if differing:
        raise ExportError(
            f"joined segments and whole.onnx differ in {differing} labels of the {split.name} split"
        )
    return Evaluated(
        split,
        logits,
        [np.concatenate(cut) for cut in zip(*codes, strict=True)],
        np.concatenate(plain) if plain else None,
        _widest(logits, joined_logits),
    )


@torch.no_grad()
def check_graphs(
    network: Network, baseline: nn.Module | None, evaluated: Evaluated
) -> list[Departure]:
    """Holds every exported graph to PyTorch's network; ExportError where one departs too far.

    Two programs sum in different orders. A value that happens to lie on the border of two codes may
    then round to either, which no tolerance on later logits could tell from a wrong graph; so codes
    are compared by themselves, and each segment from the codes that the graphs gave.
    """
    images = evaluated.split.images[:CHECKED_IMAGES]
    given = [images] + [torch.from_numpy(codes[:CHECKED_IMAGES]) for codes in evaluated.codes]
    departures = []
    for number, segment in enumerate(deployed(network.eval())):
        logits, *codes = segment(given[number])
        departures.append(
            Departure(
                name=f"s{number}",
                logit=_widest(logits.numpy(), evaluated.logits[:CHECKED_IMAGES, number]),
                moved=sum(int((ours != given[number + 1]).sum()) for ours in codes),
                codes=sum(ours.numel() for ours in codes),
            )
        )
    if baseline is not None:
        logits = baseline.eval()(images).numpy()
        widest = _widest(logits, evaluated.baseline[:CHECKED_IMAGES])
        departures.append(Departure("baseline", widest, moved=0, codes=0))
    for departure in departures:
        _refuse_too_far(departure)
    return departures


def _widest(ours: Array, theirs: Array) -> float:
    return float(np.abs(ours - theirs).max())


def _refuse_too_far(departure: Departure) -> None:
    name = departure.name
    if not departure.logit <= LOGIT_TOLERANCE:
        raise ExportError(
            f"the exported {name} departs from the network by {departure.logit:.2e} in a logit, "
            f"expected at most {LOGIT_TOLERANCE}"
        )
    if departure.moved > MOVED_CODES * departure.codes:
        raise ExportError(
            f"{departure.moved} of {departure.codes} codes of the exported {name} are not the "
            f"network's, expected at most a share of {MOVED_CODES}"
        )
