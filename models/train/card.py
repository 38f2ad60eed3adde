"""The model card, written from what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .calibrate import Outcome

if TYPE_CHECKING:
    from .recipes import Recipe


@dataclass(frozen=True)
class ByteFigures:
    """Bytes of codes at a cut: bit-packed, and ideal coded length of all and of sent images."""

    packed: float
    mean: float
    p95: float
    sent: int
    sent_mean: float
    sent_p95: float


@dataclass(frozen=True)
class Card:
    """All a card says; byte figures by (split, cut number from 1)."""

    recipe: Recipe
    manifest: dict[str, Any]
    calibration: Outcome
    test: Outcome
    sizes: dict[tuple[str, int], ByteFigures]


def write_card(card: Card, path: Path) -> None:
    """Writes the card as Markdown."""
    parts = (_head, _accuracy, _bytes, _cost, _training, _limits)
    path.write_text("\n".join(part(card) for part in parts))


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _head(card: Card) -> str:
    manifest = card.manifest
    height, width, channels = manifest["input"]["shape"]
    return f"""# {manifest["title"]}

Bundle `{manifest["id"]}` {manifest["version"]}, {manifest["licence"]}. Written by the exporter from
measured numbers; the graphs were run with onnxruntime on the CPU.

Input: uint8, {height} x {width} x {channels}, one of {len(manifest["classes"])} classes out
({", ".join(manifest["classes"])}). {len(manifest["segments"])} segments,
exits {", ".join(f"`{e['name']}` (end of `{e['segment']}`)" for e in manifest["exits"])}.
"""


def _accuracy(card: Card) -> str:
    manifest = card.manifest
    rows = [
        ("images", f"{manifest['calibration']['images']:,}", f"{_images(card, 'test'):,}"),
        *_outcome_rows(card.calibration, card.test),
    ]
    table = "\n".join(f"| {name} | {left} | {right} |" for name, left, right in rows)
    exits = "\n".join(
        f"- `{e['name']}`: temperature {e['temperature']:.4f}"
        + (f", threshold {e['threshold']:.6f}" if "threshold" in e else ", always answers")
        for e in manifest["exits"]
    )
    target = manifest["calibration"]["target"]
    return f"""## Accuracy

| | calibration split | test split |
|---|---:|---:|
{table}

Exit rule: leave where the normalised entropy of softmax(logits / temperature) is below the
threshold. Temperatures (least negative log-likelihood) and thresholds (target:
{target["kind"]} {target["value"]}) come from the calibration split alone; the test split chose
nothing.

{exits}

What the threshold promises: {manifest["calibration"]["guarantee"]}.
"""


def _outcome_rows(left: Outcome, right: Outcome) -> list[tuple[str, str, str]]:
    names = [
        ("branch alone", "branch_accuracy"),
        ("last exit alone", "final_accuracy"),
        ("answered on the device", "device_share"),
        ("**overall, exit rule applied**", "accuracy"),
        ("of those answered on the device", "device_accuracy"),
        ("of those offloaded", "offloaded_accuracy"),
        ("same label as the last exit's", "agreement"),
    ]
    return [(n, _percent(getattr(left, a)), _percent(getattr(right, a))) for n, a in names]


def _images(card: Card, split: str) -> int:
    return next(r["images"] for r in card.manifest["records"] if r["split"] == split)


def _bytes(card: Card) -> str:
    rows = "\n".join(
        f"| {cut} | {split} | {s.packed:g} | {s.mean:.1f} / {s.p95:.1f} "
        f"| {s.sent_mean:.1f} / {s.sent_p95:.1f} | {s.sent:,} |"
        for (split, cut), s in card.sizes.items()
    )
    shapes = ", ".join(
        f"cut {number + 1}: {' x '.join(map(str, segment['codes']['shape']))} codes of "
        f"{cut['bits']} bits"
        for number, (segment, cut) in enumerate(
            zip(card.manifest["segments"], card.manifest["cuts"])
        )
    )
    return f"""## Bytes of one image's codes

{shapes}. Coded sizes are ideal: the code length under the bundle's integer tables, before the
coder's own last bytes and the frame around them. "Sent" are the images the exit rule offloads.

| cut | split | bit-packed | coded, all: mean / p95 | coded, sent: mean / p95 | sent images |
|---|---|---:|---:|---:|---:|
{rows}
"""


def _cost(card: Card) -> str:
    rows = "\n".join(
        f"| `{s['name']}` | {s['macs']:,} | {s['parameters']:,} | {s['bytes']:,} |"
        for s in card.manifest["segments"]
    )
    return f"""## Layers and cost

{card.recipe.layers}

Per image, heads, encoder and decoder counted in:

| segment | multiply-accumulates | parameters | file, bytes |
|---|---:|---:|---:|
{rows}
"""


def _training(card: Card) -> str:
    training = card.manifest["training"]
    epochs = ", ".join(f"{name} {count}" for name, count in training["epochs"].items())
    return f"""## Training

- Data: {training["split"]}.
- Command: `{training["command"]}`
- Seed {training["seed"]}; epochs: {epochs}.
- Hardware: {training["hardware"]}.
- Wall time: {training["wallSeconds"] / 60:.1f} minutes in all, teacher included.
- Method: BranchyNet's joint training from the trained baseline, with distillation from a teacher, a
  straight-through quantiser with a rate term, and averaged weights.
"""


def _limits(card: Card) -> str:
    source = card.recipe.source
    return f"""## Not good for

{card.recipe.not_good_for}

## Data and licence

{source.licence} Citation: {source.citation}.
"""
