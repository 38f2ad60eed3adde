"""`python -m models.train BUNDLE --data DIR`: trains a bundle from nothing and exports it."""

from __future__ import annotations

import argparse
import ctypes
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
from .graft import Graft
from .network import count_parameters
from .options import (
    AnyOptions,
    GraftOptions,
    Options,
    add_flags,
    changed_flags,
    from_flags,
)
from .recipes import RECIPES, Recipe
from .stage import Log
from .train import Trainer

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
HERE = Path(__file__).resolve().parent
PROCEDURES = {Options: Trainer, GraftOptions: Graft}


def main() -> int:
    """Exit status: 0 done, 1 data or export at fault, 2 wrong usage."""
    arguments, recipe = _arguments(sys.argv[1:])
    options = from_flags(arguments, recipe.options)
    torch.set_num_threads(arguments.threads)
    _keep_memory()
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
    stages = PROCEDURES[type(recipe.options)].stages
    parser.add_argument("--until", choices=stages, default="export", help="last stage to run")
    parser.add_argument(
        "--target",
        type=_target,
        default=recipe.target,
        help=f"device-share=X or accuracy=X, on the calibration split (default {recipe.target})",
    )
    parser.add_argument(
        "--calibration",
        type=_file,
        metavar="MANIFEST",
        help="take the exit rule over from there, as `offramp calibrate --write` left it",
    )
    add_flags(parser, recipe.options)


def _target(text: str) -> Target:
    try:
        return parse_target(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{text} is no file")
    return path


def _run(arguments: argparse.Namespace, recipe: Recipe, options: AnyOptions) -> None:
    data = data_folder(arguments.data)
    splits = load_training(data, recipe.source)
    default = HERE / ".checkpoints" / f"{recipe.bundle_id}-seed{options.seed}"
    folder = arguments.checkpoints or default
    open_checkpoints(folder, options, resume=arguments.resume)
    log = Log(folder / "log.jsonl")
    procedure = PROCEDURES[type(options)](recipe, options, splits, folder, log)
    trained = procedure.run(arguments.until)
    if trained is None:
        return
    seconds = _seconds(log.path)
    training = {
        "dataset": recipe.source.name,
        "split": split_words(recipe.source, len(splits[0])),
        "command": _command(arguments, recipe, options),
        "seed": options.seed,
        "epochs": procedure.epochs(),
        "options": asdict(options),
        "hardware": _hardware(),
        "software": f"Python {platform.python_version()}, PyTorch {torch.__version__}",
        "method": procedure.method,
        "wallSeconds": round(sum(seconds.values())),
        "stageSeconds": {name: round(spent) for name, spent in seconds.items()},
        "parameters": count_parameters(trained.network),
    }
    test = load_test(data, recipe.source)
    manifest = export_bundle(
        recipe,
        trained.network,
        (*splits, test),
        arguments.calibration or arguments.target,
        training,
        arguments.out,
        trained.baseline,
    )
    print(json.dumps(manifest["calibration"]["measured"]))


def _command(arguments: argparse.Namespace, recipe: Recipe, options: AnyOptions) -> str:
    words = ["python -m models.train", recipe.bundle_id, "--data DIR"]
    words += changed_flags(options, recipe.options)
    words.append(f"--target {arguments.target.kind}={arguments.target.value}")
    return " ".join(words)


def _keep_memory() -> None:
    """Has glibc keep freed memory: giving large tensors back to the system and having them zeroed again
    took half of the time of a training step. Other C libraries are left as they are."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is None:
        return
    for option in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD):
        set_option(option, 1 << 30)


def _hardware() -> str:
    """The processor's name and the threads used."""
    name = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = information.read_text().splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        name = names[0] if names else name
    return f"{name}, {torch.get_num_threads()} threads"


def _seconds(log: Path) -> dict[str, float]:
    """Wall time of each stage."""
    seconds: dict[str, float] = {}
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        seconds[entry["stage"]] = seconds.get(entry["stage"], 0.0) + entry["seconds"]
    return seconds


if __name__ == "__main__":
    sys.exit(main())
