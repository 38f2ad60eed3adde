"""The model card, written from what was measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable

from .calibrate import Outcome
from .data import Split
from .evaluation import CHECKED_IMAGES, Departure
from .files import Entry
from .findings import Findings
from .recipes import Recipe


@dataclass(frozen=True)
class Card:
    """All a card says; splits: training, calibration, test."""

    recipe: Recipe
    manifest: Entry
    choice: str  # how the exit rule was chosen
    splits: tuple[Split, Split, Split]
    calibration: Findings
    test: Findings
    departures: list[Departure]

    @property
    def held_out(self) -> tuple[Findings, Findings]:
        """Calibration and test."""
        return self.calibration, self.test

    @property
    def exit_names(self) -> list[str]:
        """Every exit's name as code."""
        return [f"`{entry['name']}`" for entry in self.manifest["exits"]]


def write_card(card: Card, path: Path) -> None:
    """Writes the card as Markdown."""
    parts = (
        _head,
        _accuracy,
        _approximations,
        _rates,
        _bytes,
        _cost,
        _checks,
        _training,
        _limits,
    )
    written = (part(card) for part in parts)
    path.write_text("\n".join(text for text in written if text))


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.2f} %"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table, its first column to the left and the others to the right."""
    names = list(head)
    rule = ["---"] + ["---:"] * (len(names) - 1)
    lines = [names, rule, *rows]
    return "\n".join("| " + " | ".join(line).lstrip() + " |" for line in lines)


def _head(card: Card) -> str:
    manifest = card.manifest
    height, width, channels = manifest["input"]["shape"]
    ends = zip(card.exit_names, manifest["exits"])
    return f"""# {manifest["title"]}

Bundle `{manifest["id"]}` {manifest["version"]}, {manifest["licence"]}. Written by the exporter from
measured numbers; the graphs were run with onnxruntime on the CPU.

Input: uint8, {height} x {width} x {channels}, one of {len(manifest["classes"])} classes out
({", ".join(manifest["classes"])}). {len(manifest["segments"])} segments,
exits {", ".join(f"{name} (end of `{e['segment']}`)" for name, e in ends)}.
"""


def _accuracy(card: Card) -> str:
    manifest = card.manifest
    head = ["", *(f"{found.evaluated.split.name} split" for found in card.held_out)]
    rows = [["images", *(f"{found.images:,}" for found in card.held_out)]]
    rows += _outcome_rows(card, [found.outcome for found in card.held_out])
    if card.test.baseline is not None:
        name = "baseline: no branches, no bottlenecks, trained by itself"
        rows.append([name, *(_percent(found.baseline) for found in card.held_out)])
    exits = "\n".join(
        f"- {name}: temperature {e['temperature']:.4f}"
        + (f", threshold {e['threshold']:.6f}" if "threshold" in e else ", always answers")
        for name, e in zip(card.exit_names, manifest["exits"])
    )
    return f"""## Accuracy

{_table(head, rows)}

Exit rule: leave where the normalised entropy of softmax(logits / temperature) is below the
threshold. {card.choice}
All of it comes from the calibration split alone; the test split chose nothing.

{exits}

What the thresholds promise: {manifest["calibration"]["guarantee"]}.
"""


def _outcome_rows(card: Card, outcomes: list[Outcome]) -> list[list[str]]:
    names = card.exit_names

    def row(name: str, figure: Callable[[Outcome], float]) -> list[str]:
        return [name, *(_percent(figure(outcome)) for outcome in outcomes)]

    alone = [row(f"{n} alone", lambda o, k=k: o.exits[k].alone) for k, n in enumerate(names)]
    shares = [
        row(f"answered by {n}{', on the device' if k == 0 else ''}", lambda o, k=k: o.exits[k].share)
        for k, n in enumerate(names)
    ]
    right = [
        row(f"of those answered by {n}", lambda o, k=k: o.exits[k].accuracy)
        for k, n in enumerate(names)
    ]
    # With two exits the last one answers all that is offloaded, and no more is to be said of them.
    offloaded = row("of those offloaded, by either exit", lambda o: o.offloaded_accuracy)
    return [
        *alone,
        *shares,
        row("**overall, exit rule applied**", lambda o: o.accuracy),
        *right,
        *([offloaded] if len(names) > 2 else []),
        row(f"same label as {names[-1]}'s", lambda o: o.agreement),
    ]


def _approximations(card: Card) -> str:
    training, calibration, test = (split.approximations for split in card.splits)
    if training + calibration + test == 0:
        return ""
    found = card.test
    head = ["test split", f"all {found.images:,}", f"the {found.images - test:,} published"]
    rows = _outcome_rows(card, [found.outcome, found.published or found.outcome])
    return f"""## Pictures that are not the published ones

{training + calibration + test} pictures of the data folder used here are approximations of the
published ones, as it lists itself: {training + calibration} of the training files, of which
{training} train and {calibration} calibrate, and {test} of the test file.

{_table(head, rows)}
"""


def _rates(card: Card) -> str:
    if not card.calibration.rates:
        return ""
    last = card.exit_names[-1]
    names = [found.evaluated.split.name for found in card.held_out]
    head = ["channels sent"]
    head += [words for n in names for words in (f"{n}: bytes, mean / p95", f"{n}: {last} right")]
    rows = [
        [str(pair[0].channels)]
        + [
            words
            for rate in pair
            for words in (f"{rate.lengths.mean:.1f} / {rate.lengths.p95}", _percent(rate.accuracy))
        ]
        for pair in zip(*(found.rates for found in card.held_out), strict=True)
    ]
    return f"""## Rates of the first cut

Of the codes at cut 1 the first channels may be sent alone. Every image sent so, whatever the branch
says; bytes are those of the codec's stream, its checksum included, without the frame around it.

{_table(head, rows)}
"""


def _bytes(card: Card) -> str:
    manifest = card.manifest
    rows = [
        [
            str(number + 1),
            found.evaluated.split.name,
            f"{sizes.packed}",
            f"{sizes.all.mean:.1f} / {sizes.all.p95}",
            f"{sizes.sent.mean:.1f} / {sizes.sent.p95}",
            f"{sizes.sent.streams:,}",
        ]
        for number, pair in enumerate(zip(*(found.sizes for found in card.held_out), strict=True))
        for found, sizes in zip(card.held_out, pair)
    ]
    head = ["cut", "split", "packed", "coded, all: mean / p95", "coded, sent: mean / p95"]
    shapes = "; ".join(
        f"cut {number + 1}: {' x '.join(map(str, segment['codes']['shape']))} codes of "
        f"{cut['bits']} bits"
        for number, (segment, cut) in enumerate(zip(manifest["segments"], manifest["cuts"]))
    )
    return f"""## Bytes of one image's codes

{shapes[0].upper()}{shapes[1:]}. Streams of the codec, its
checksum included, without the frame around them. "Sent" are the images that no exit before the cut
answers.

{_table([*head, "sent images"], rows)}
"""


def _cost(card: Card) -> str:
    manifest = card.manifest
    parts = [(f"`{entry['name']}`", entry) for entry in manifest["segments"]]
    if "baseline" in manifest:
        parts.append(("baseline", manifest["baseline"]))
    rows = [[n, f"{e['macs']:,}", f"{e['parameters']:,}", f"{e['bytes']:,}"] for n, e in parts]
    halved = (
        "\nWeights are stored as float16, whose values the network has, and computed with as float32.\n"
        if card.recipe.compact_weights
        else ""
    )
    return f"""## Layers and cost

{card.recipe.layers}

Per image, heads, encoder and decoder counted in:

{_table(["", "multiply-accumulates", "parameters", "file, bytes"], rows)}
{halved}"""


def _checks(card: Card) -> str:
    def moved(departure: Departure) -> str:
        return f"{departure.moved} of {departure.codes:,}" if departure.codes else "-"

    rows = [[f"`{d.name}`", f"{d.logit:.1e}", moved(d)] for d in card.departures]
    splits = " and ".join(
        f"{found.images:,} {found.evaluated.split.name}" for found in card.held_out
    )
    widest = max(found.evaluated.joined_departure for found in card.held_out)
    checked = min(CHECKED_IMAGES, card.calibration.images)
    return f"""## Checks of the graphs

Joined segments and `whole.onnx`: the same label at every exit for all {splits} images;
largest difference of a logit {widest:.1e}.

Graph and PyTorch network on {checked:,} calibration images, each segment given the same codes:

{_table(["graph", "largest difference of a logit", "codes that differ"], rows)}
"""


def _training(card: Card) -> str:
    training = card.manifest["training"]
    epochs = ", ".join(f"{name} {count}" for name, count in training["epochs"].items())
    minutes = ", ".join(f"{n} {s / 60:.1f}" for n, s in training["stageSeconds"].items())
    return f"""## Training

- Data: {training["split"]}.
- Command: `{training["command"]}`
- Seed {training["seed"]}; epochs: {epochs}.
- Hardware: {training["hardware"]}; {training["software"]}.
- Wall time: {training["wallSeconds"] / 60:.1f} minutes in all ({minutes}).
- Method: {training["method"]}.
"""


def _limits(card: Card) -> str:
    source = card.recipe.source
    return f"""## Not good for

{card.recipe.not_good_for}

## Data and licence

{source.licence} Citation: {source.citation}.
"""
