"""From a trained network to a bundle: ONNX files, tables, records, manifest, model card.

Everything measured here is measured on the exported graphs with onnxruntime, not on the network
they came from. Files are written to a folder beside the bundle and moved into place at the end.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from torch import nn

from .calibrate import Target
from .card import Card, write_card
from .choice import choose, take_over
from .data import Split
from .evaluation import Graphs, check_graphs, evaluate_graphs
from .files import Entry, move_into_place
from .findings import Coding, find
from .graphs import ExportError, GraphWriter
from .manifest import Written, make_manifest
from .network import AnyModule, Network, fuse, round_to_half
from .recipes import Recipe
from .records import write_records, write_tables

__all__ = ["ExportError", "export_bundle"]


def export_bundle(
    recipe: Recipe,
    network: Network,
    splits: tuple[Split, Split, Split],
    calibration: Target | Path,
    training: dict[str, Any],
    folder: Path,
    baseline: nn.Module | None = None,
) -> Entry:
    """Writes the bundle, returns its manifest; splits: training, calibration, test.

    `calibration` is what the exit rule is chosen for, or a manifest to take it over from. `baseline`
    takes images uint8 [N, H, W, C] to logits [N, classes]: the same network without branches and
    bottlenecks, trained by itself. Raises ExportError where graphs do not do what the network does.
    """
    building = folder.with_name(folder.name + ".partial")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)

    fused = _deployable(network, recipe)
    plain = None if baseline is None else _deployable(baseline, recipe)
    writer, shape = GraphWriter(building, recipe.compact_weights), recipe.source.shape
    segments = writer.segments(fused, shape)
    _check_rates(recipe, segments)
    whole = writer.whole(fused, shape)
    plain_entry = None if plain is None else writer.baseline(plain, shape)

    graphs = Graphs(building, segments, whole, plain_entry)
    held_out = [evaluate_graphs(graphs, split) for split in splits[1:]]
    departures = check_graphs(fused, plain, held_out[0])
    if isinstance(calibration, Target):
        choice = choose(calibration, held_out[0], recipe.exit_names)
    else:
        choice = take_over(calibration, held_out[0])
    tables, table_entries = write_tables(fused, splits[0], building)
    coding = Coding(tables, [s.quantiser.bits for s in fused.segments[:-1]], recipe.rates)
    findings = [find(evaluated, graphs, choice.rule, coding) for evaluated in held_out]

    written = Written(
        segments=segments,
        bits=coding.bits,
        tables=table_entries,
        whole=whole,
        baseline=plain_entry,
        records=[write_records(evaluated, building) for evaluated in held_out],
    )
    manifest = make_manifest(recipe, written, choice, findings[0], training)
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    (building / "manifest.json").write_text(text + "\n")
    card = Card(recipe, manifest, choice.words, splits, *findings, departures)
    write_card(card, building / "README.md")
    move_into_place(building, folder)
    return manifest


def _deployable(module: AnyModule, recipe: Recipe) -> AnyModule:
    """A copy as it is exported: batch norms folded, weights rounded as they will be stored."""
    fused = fuse(module)
    if recipe.compact_weights:
        round_to_half(fused)
    return fused


def _check_rates(recipe: Recipe, segments: list[Entry]) -> None:
    channels = segments[0]["codes"]["shape"][0]
    if recipe.rates[-1] != channels:
        raise ExportError(
            f"the last rate of {recipe.bundle_id} is {recipe.rates[-1]} channels, "
            f"expected all {channels} of the codes"
        )
