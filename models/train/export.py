"""From a trained network to a bundle: ONNX files, tables, records, manifest, model card.

Everything measured here is measured on the exported graphs with onnxruntime, not on the network
they came from. Files are written to a folder beside the bundle and moved into place at the end.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn

from .calibrate import Outcome, Target, calibrate, first_exits, measure, normalised_entropy
from .card import Card, ByteFigures, write_card
from .data import Split
from .losses import image_weights
from .network import Network, count_macs, count_parameters, deployed, DeployedWhole, fuse
from .recipes import Recipe
from .tables import code_bits, count, integer_tables
from .train import evaluate

OPSET = 17
MOST_IR = 9
BATCH = 500
CHECKED_IMAGES = 1_000
LOGIT_TOLERANCE = 1e-4
MOVED_CODES = 1e-4  # share of codes that may lie on a border and round the other way
GUARANTEE = (
    "none: the threshold reproduces its target on the calibration split, and the measured figures "
    "are plain means over that split; nothing is promised for other images"
)


class ExportError(Exception):
    """The exported graphs do not do what the network does."""


@dataclass(frozen=True)
class Evaluated:
    """What the exported graphs gave for one split."""

    split: Split
    logits: np.ndarray  # float32 [n, exits, classes], from the whole graph
    codes: list[np.ndarray]  # per cut uint8 [n, c, h, w], from the joined segments


def export_bundle(
    recipe: Recipe,
    network: Network,
    splits: tuple[Split, Split, Split],
    target: Target,
    training: dict[str, Any],
    folder: Path,
) -> dict[str, Any]:
    """Writes the bundle, returns its manifest; splits: training, calibration, test."""
    train_split, calibration_split, test_split = splits
    building = folder.with_name(folder.name + ".partial")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    fused = fuse(network)
    segments = _write_segments(fused, recipe, building)
    exits = _whole_names(fused)
    _write_graph(DeployedWhole(fused), _image(recipe), "image", exits, building / "whole.onnx")
    calibration = _evaluate(building, segments, calibration_split)
    test = _evaluate(building, segments, test_split)
    _check_against(fused, calibration)

    labels = calibration_split.labels.numpy()
    temperatures, thresholds = calibrate(calibration.logits, labels, target)
    outcome, _ = measure(calibration.logits, labels, temperatures, thresholds)
    test_outcome, _ = measure(test.logits, test_split.labels.numpy(), temperatures, thresholds)

    tables = _write_tables(fused, train_split, building)
    for split in (calibration, test):
        _write_records(split, building / f"records-{split.split.name}.bin")

    manifest = {
        "schemaVersion": 1,
        "id": recipe.bundle_id,
        "version": recipe.version,
        "title": recipe.title,
        "licence": "Apache-2.0",
        "classes": list(recipe.source.classes),
        "input": {"name": "image", "dtype": "uint8", "shape": list(recipe.source.shape)},
        "segments": segments,
        "exits": _exits(recipe, segments, temperatures, thresholds),
        "cuts": [
            {
                "after": segment["name"],
                "bits": fused.segments[number].quantiser.bits,
                "tables": {
                    **_file(building / f"cut{number + 1}.tables.bin"),
                    "contexts": tables[number].shape[0],
                    "levels": tables[number].shape[1],
                },
            }
            for number, segment in enumerate(segments[:-1])
        ],
        "calibration": {
            "split": "calibration",
            "images": len(calibration_split),
            "date": date.today().isoformat(),
            "target": {"kind": target.kind, "value": target.value},
            "measured": _measured(outcome),
            "guarantee": GUARANTEE,
        },
        "whole": {**_file(building / "whole.onnx"), "logits": exits},
        "records": [
            {
                "split": split.split.name,
                **_file(building / f"records-{split.split.name}.bin"),
                "images": len(split.split),
            }
            for split in (calibration, test)
        ],
        "training": training,
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    (building / "manifest.json").write_text(text + "\n")
    byte_figures = {
        (split.split.name, number + 1): _byte_figures(
            split, number, table, fused.segments[number].quantiser.bits, temperatures, thresholds
        )
        for split in (calibration, test)
        for number, table in enumerate(tables)
    }
    write_card(
        Card(recipe, manifest, outcome, test_outcome, byte_figures), building / "README.md"
    )
    _move_into_place(building, folder)
    return manifest


def _image(recipe: Recipe) -> Tensor:
    return torch.zeros(2, *recipe.source.shape, dtype=torch.uint8)


def _whole_names(network: Network) -> list[str]:
    return [f"logits{number}" for number in range(len(network.segments))]


def _write_segments(network: Network, recipe: Recipe, folder: Path) -> list[dict[str, Any]]:
    """Writes s0.onnx and so on; returns their manifest entries."""
    entries = []
    example = _image(recipe)
    shape, name = list(recipe.source.shape), "image"
    for segment in deployed(network):
        path = folder / f"{segment.segment.name}.onnx"
        with torch.no_grad():
            results = segment(example)
        outputs = ["logits", "codes"][: len(results)]
        _write_graph(segment, example, name, outputs, path)
        entry = {
            "name": segment.segment.name,
            **_file(path),
            "input": {"name": name, "dtype": "uint8", "shape": shape},
            "logits": {"name": "logits", "dtype": "float32", "shape": list(results[0].shape[1:])},
        }
        if len(results) == 2:
            shape, name, example = list(results[1].shape[1:]), "codes", results[1]
            entry["codes"] = {"name": name, "dtype": "uint8", "shape": shape}
        entry["macs"] = count_macs(segment, segment_example(entry))
        entry["parameters"] = count_parameters(segment.segment)
        entries.append(entry)
    return entries


def segment_example(entry: dict[str, Any]) -> Tensor:
    """One row of zeros of the shape and type a segment's manifest entry asks for."""
    return torch.zeros(1, *entry["input"]["shape"], dtype=torch.uint8)


def _write_graph(
    module: nn.Module, example: Tensor, input_name: str, outputs: list[str], path: Path
) -> None:
    """One ONNX graph with a dynamic batch N, checked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            (example,),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=[input_name],
            output_names=outputs,
            dynamic_axes={name: {0: "N"} for name in [input_name, *outputs]},
        )
    model = onnx.load(path)
    if model.ir_version > MOST_IR:
        raise ExportError(
            f"{path.name} has IR version {model.ir_version}, expected at most {MOST_IR}"
        )
    model.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _session(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _evaluate(folder: Path, segments: list[dict[str, Any]], split: Split) -> Evaluated:
    """Runs the joined segments and the whole graph and holds that they agree."""
    whole = _session(folder / "whole.onnx")
    parts = [_session(folder / entry["file"]) for entry in segments]
    logits, joined, codes = [], [], []
    for chunk in split.images.split(BATCH):
        logits.append(np.stack(whole.run(None, {"image": chunk.numpy()}), 1))
        carried, name, exits, cuts = chunk.numpy(), "image", [], []
        for part in parts:
            results = part.run(None, {name: carried})
            exits.append(results[0])
            if len(results) == 2:
                carried, name = results[1], "codes"
                cuts.append(carried)
        joined.append(np.stack(exits, 1))
        codes.append(cuts)
    whole_logits, joined_logits = np.concatenate(logits), np.concatenate(joined)
    differing = int((whole_logits.argmax(2) != joined_logits.argmax(2)).sum())
    if differing:
        raise ExportError(
            f"joined segments and whole.onnx differ in {differing} labels of the {split.name} split"
        )
    return Evaluated(split, whole_logits, [np.concatenate(cut) for cut in zip(*codes, strict=True)])


@torch.no_grad()
def _check_against(network: Network, evaluated: Evaluated) -> None:
    """Holds every exported segment to the network's own, both given the same input.

    Two programs sum in different orders. A value that happens to lie on the border of two codes may
    then round to either, which no tolerance on later logits could tell from a wrong graph; so codes
    are compared by themselves, and each segment from the codes that the graphs gave.
    """
    given = [evaluated.split.images[:CHECKED_IMAGES]]
    given += [torch.from_numpy(codes[:CHECKED_IMAGES]) for codes in evaluated.codes]
    for number, segment in enumerate(deployed(network.eval())):
        logits, *codes = segment(given[number])
        exported = evaluated.logits[:CHECKED_IMAGES, number]
        worst = float(np.abs(logits.numpy() - exported).max())
        if not worst <= LOGIT_TOLERANCE:
            raise ExportError(
                f"the exported s{number} departs from the network by {worst:.2e} in a logit, "
                f"expected at most {LOGIT_TOLERANCE}"
            )
        for ours in codes:
            moved = float((ours != given[number + 1]).float().mean())
            if moved > MOVED_CODES:
                raise ExportError(
                    f"{moved:.2e} of the codes of the exported s{number} are not the network's, "
                    f"expected at most {MOVED_CODES}"
                )


def _write_tables(network: Network, split: Split, folder: Path) -> list[np.ndarray]:
    """Counts codes on the training split, images the exit doubts counting for more."""
    logits, codes = evaluate(network, split.images)
    tables = []
    for number, cut in enumerate(codes):
        weights = image_weights(logits[:, number], 0.9)
        bits = network.segments[number].quantiser.bits
        tables.append(integer_tables(count(cut, weights, bits)))
        tables[-1].tofile(folder / f"cut{number + 1}.tables.bin")
    return tables


def record_bytes(labels: np.ndarray, logits: np.ndarray) -> bytes:
    """Labels uint8 [n], zeros up to a multiple of 8, logits float32 [n, exits, classes]."""
    head = labels.astype(np.uint8).tobytes()
    return head + bytes(-len(head) % 8) + logits.astype("<f4").tobytes()


def _write_records(evaluated: Evaluated, path: Path) -> None:
    path.write_bytes(record_bytes(evaluated.split.labels.numpy(), evaluated.logits))


def _file(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {
        "file": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }


def _exits(
    recipe: Recipe,
    segments: list[dict[str, Any]],
    temperatures: list[float],
    thresholds: list[float],
) -> list[dict[str, Any]]:
    exits = []
    for number, name in enumerate(recipe.exit_names):
        entry = {
            "name": name,
            "segment": segments[number]["name"],
            "temperature": temperatures[number],
        }
        if number < len(thresholds):
            entry["threshold"] = thresholds[number]
        exits.append(entry)
    return exits


def _measured(outcome: Outcome) -> dict[str, float]:
    return {
        "deviceShare": outcome.device_share,
        "accuracy": outcome.accuracy,
        "agreement": outcome.agreement,
    }


def _byte_figures(
    evaluated: Evaluated,
    number: int,
    table: np.ndarray,
    bits: int,
    temperatures: list[float],
    thresholds: list[float],
) -> ByteFigures:
    """Ideal coded bytes at one cut, of all images and of those that get across it."""
    codes = torch.from_numpy(evaluated.codes[number])
    sizes = code_bits(codes, table, bits) / 8
    etas = [normalised_entropy(evaluated.logits[:, k], t) for k, t in enumerate(temperatures)]
    sent = sizes[first_exits(etas, thresholds) > number]
    return ByteFigures(
        packed=codes[0].numel() * bits / 8,
        mean=float(sizes.mean()),
        p95=float(np.quantile(sizes, 0.95)),
        sent=len(sent),
        sent_mean=float(sent.mean()) if len(sent) else 0.0,
        sent_p95=float(np.quantile(sent, 0.95)) if len(sent) else 0.0,
    )


def _move_into_place(building: Path, folder: Path) -> None:
    """File by file, the manifest last: whoever reads it then finds the files it names."""
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted(building.iterdir(), key=lambda path: path.name == "manifest.json")
    for path in files:
        path.replace(folder / path.name)
    building.rmdir()
