"""`python -m models.train BUNDLE --data DIR`: trains a bundle from nothing and exports it."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from .calibrate import Target, parse_target
from .checkpoints import open_checkpoints
from .data import DataError, data_folder, load_test, load_training, split_words
from .export import ExportError, export_bundle
from .network import count_parameters
from .options import Options, add_flags, changed_flags, from_flags
from .recipes import RECIPES, Recipe
from .stage import Log
from .train import STAGES, Trainer

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Exit status: 0 done, 1 data or export at fault, 2 wrong usage."""
    arguments, recipe = _arguments(sys.argv[1:])
    options = from_flags(arguments)
    torch.set_num_threads(arguments.threads)
    try:
        _run(arguments, recipe, options)
    except (DataError, ExportError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _arguments(argv: list[str]) -> tuple[argparse.Namespace, Recipe]:
    parser = argparse.ArgumentParser(prog="python -m models.train", description=__doc__)
    bundles = parser.add_subparsers(dest="bundle", required=True, metavar="BUNDLE")
    recipes = {name: make() for name, make in RECIPES.items()}
    for name, recipe in recipes.items():
        _bundle_flags(bundles.add_parser(name, help=recipe.title), recipe)
    arguments = parser.parse_args(argv)
    return arguments, recipes[arguments.bundle]


def _bundle_flags(parser: argparse.ArgumentParser, recipe: Recipe) -> None:
    parser.add_argument("--data", type=Path, help="folder holding the data sets (or OFFRAMP_DATA)")
    parser.add_argument("--out", type=Path, default=HERE.parent / recipe.bundle_id)
    parser.add_argument(
        "--checkpoints", type=Path, help="default: models/train/.checkpoints/BUNDLE-seedN"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoints")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--until", choices=STAGES, default="export", help="last stage to run")
    parser.add_argument(
        "--target",
        type=_target,
        default="device-share=0.97",
        help="device-share=X or accuracy=X, on the calibration split (default device-share=0.97)",
    )
    add_flags(parser, recipe.options)


def _target(text: str) -> Target:
    try:
        return parse_target(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _run(arguments: argparse.Namespace, recipe: Recipe, options: Options) -> None:
    data = data_folder(arguments.data)
    splits = load_training(data, recipe.source)
    default = HERE / ".checkpoints" / f"{recipe.bundle_id}-seed{options.seed}"
    folder = arguments.checkpoints or default
    open_checkpoints(folder, options, resume=arguments.resume)
    log = Log(folder / "log.jsonl")
    trainer = Trainer(recipe, options, splits, folder, log)

    teacher = trainer.teacher()
    if arguments.until == "teacher":
        return
    bank = trainer.bank(teacher)
    if arguments.until == "bank":
        return
    baseline = trainer.baseline(bank)
    if arguments.until == "baseline":
        return
    network = trainer.joint(bank, baseline)
    if arguments.until == "joint":
        return
    network = trainer.branch(bank, network)
    if arguments.until == "branch":
        return
    network = trainer.finish(bank, network)
    if arguments.until == "finish":
        return
    training = {
        "dataset": recipe.source.name,
        "split": split_words(recipe.source, len(splits[0])),
        "command": _command(arguments, recipe, options),
        "seed": options.seed,
        "epochs": {
            "teacher": options.teacher_epochs,
            "baseline": options.baseline_epochs,
            "joint": options.joint_epochs,
            "branch": options.branch_epochs,
            "finish": options.finish_epochs,
        },
        "options": asdict(options),
        "hardware": _hardware(),
        "software": f"Python {platform.python_version()}, PyTorch {torch.__version__}",
        "wallSeconds": round(_seconds(log.path)),
        "parameters": count_parameters(network),
    }
    test = load_test(data, recipe.source)
    manifest = export_bundle(
        recipe, network, (*splits, test), arguments.target, training, arguments.out
    )
    print(json.dumps(manifest["calibration"]["measured"]))


def _command(arguments: argparse.Namespace, recipe: Recipe, options: Options) -> str:
    words = ["python -m models.train", recipe.bundle_id, "--data DIR"]
    words += changed_flags(options, recipe.options)
    words.append(f"--target {arguments.target.kind}={arguments.target.value}")
    return " ".join(words)


def _hardware() -> str:
    """The processor's name and the threads used."""
    name = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = information.read_text().splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        name = names[0] if names else name
    return f"{name}, {torch.get_num_threads()} threads"


def _seconds(log: Path) -> float:
    return sum(json.loads(line)["seconds"] for line in log.read_text().splitlines())


if __name__ == "__main__":
    sys.exit(main())
