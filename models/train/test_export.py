"""Tests of an exported bundle, made of a tiny network with three segments."""

from __future__ import annotations

import hashlib
import json
import struct
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper

from .calibrate import parse_target
from .evaluation import Graphs, check_graphs, evaluate_graphs
from .export import ExportError, export_bundle
from .files import Entry
from .graphs import GraphWriter, store_as_half
from .network import fuse
from .records import record_bytes
from .recipes import Recipe
from .tiny import tiny_network, tiny_recipe, tiny_split

TRAINING = {
    "split": "made up",
    "command": "none",
    "seed": 1,
    "epochs": {"together": 0},
    "hardware": "any",
    "software": "any",
    "method": "none",
    "wallSeconds": 90,
    "stageSeconds": {"together": 60, "baseline": 30},
}
SPLITS = (
    tiny_split("training", 200, 1),
    tiny_split("calibration", 200, 2),
    tiny_split("test", 100, 3),
)


def export(
    recipe: Recipe, folder: Path, calibration: Path | None = None, *, baseline: bool = True
) -> Entry:
    """A bundle of untrained networks, whose statistics have at least seen the images."""
    torch.manual_seed(3)
    network, plain = recipe.network(), recipe.baseline()
    with torch.no_grad():
        for _ in range(20):
            network.train_pass(SPLITS[0].images, 1.0)
            plain(SPLITS[0].images)
    chosen = calibration or parse_target(recipe.target)
    given = plain if baseline else None
    return export_bundle(recipe, network, SPLITS, chosen, TRAINING, folder, given)


class BundleTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = Path(scratch.name) / "bundle"
        cls.recipe = tiny_recipe()
        cls.manifest = export(cls.recipe, cls.folder)
        cls.card = (cls.folder / "README.md").read_text()

    def session(self, name: str) -> ort.InferenceSession:
        return ort.InferenceSession(self.folder / name, providers=["CPUExecutionProvider"])

    def test_every_file_is_in_the_manifest_and_as_the_manifest_says(self) -> None:
        self.assertEqual(json.loads((self.folder / "manifest.json").read_text()), self.manifest)
        entries = list(_files(self.manifest))
        for entry in entries:
            content = (self.folder / entry["file"]).read_bytes()
            self.assertEqual(entry["bytes"], len(content))
            self.assertEqual(entry["sha256"], hashlib.sha256(content).hexdigest())
        named = {entry["file"] for entry in entries} | {"manifest.json", "README.md"}
        self.assertEqual({path.name for path in self.folder.iterdir()}, named)

    def test_graphs_have_the_names_and_shapes_of_the_manifest(self) -> None:
        image = {"name": "image", "dtype": "uint8", "shape": [8, 8, 3]}
        first = {"name": "codes", "dtype": "uint8", "shape": [4, 4, 4]}
        second = {"name": "codes2", "dtype": "uint8", "shape": [3, 4, 4]}
        segments = self.manifest["segments"]
        self.assertEqual([entry["input"] for entry in segments], [image, first, second])
        self.assertEqual([entry.get("codes") for entry in segments], [first, second, None])
        for entry in segments:
            graph = self.session(entry["file"])
            wanted = [entry[name] for name in ("input", "logits", "codes") if name in entry]
            tensors = [*graph.get_inputs(), *graph.get_outputs()]
            self.assertEqual(
                [(tensor.name, tensor.shape) for tensor in tensors],
                [(spec["name"], ["N", *spec["shape"]]) for spec in wanted],
            )

    def test_large_weights_are_stored_as_float16_and_nothing_else_is(self) -> None:
        for name in ("s0", "s1", "s2", "whole", "baseline"):
            graph = onnx.load(self.folder / f"{name}.onnx").graph
            sizes = {TensorProto.FLOAT: [], TensorProto.FLOAT16: []}
            for initialiser in graph.initializer:
                if initialiser.data_type in sizes:
                    sizes[initialiser.data_type].append(int(np.prod(initialiser.dims)))
            self.assertGreaterEqual(min(sizes[TensorProto.FLOAT16]), 256, name)
            self.assertLess(max(sizes[TensorProto.FLOAT], default=0), 256, name)

    def test_the_runtime_folds_the_casts_when_it_loads_a_graph(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            options = ort.SessionOptions()
            options.log_severity_level = 3
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
            options.optimized_model_filepath = str(Path(folder) / "optimised.onnx")
            ort.InferenceSession(self.folder / "s1.onnx", options, ["CPUExecutionProvider"])
            graph = onnx.load(options.optimized_model_filepath).graph
            inputs = {initialiser.name for initialiser in graph.initializer}
            casts = [node for node in graph.node if node.op_type == "Cast"]
            self.assertFalse([node for node in casts if node.input[0] in inputs])

    def test_rates_tell_what_sending_fewer_channels_costs_and_reaches(self) -> None:
        rates = self.manifest["cuts"][0]["rates"]
        self.assertNotIn("rates", self.manifest["cuts"][1])
        self.assertEqual([rate["channels"] for rate in rates], [1, 2, 4])
        split = SPLITS[1]
        _, codes = self.session("s0.onnx").run(None, {"image": split.images.numpy()})
        for rate in rates:
            received = codes.copy()
            received[:, rate["channels"] :] = 2
            _, onwards = self.session("s1.onnx").run(None, {"codes": received})
            (logits,) = self.session("s2.onnx").run(None, {"codes2": onwards})
            accuracy = (logits.argmax(1) == split.labels.numpy()).mean()
            measured = rate["measured"]
            self.assertAlmostEqual(measured["accuracy"], accuracy)
            self.assertEqual((measured["split"], measured["images"]), ("calibration", 200))
            self.assertTrue(2 < measured["bytesMean"] <= measured["bytesP95"])
            self.assertLessEqual(measured["bytesP95"], rate["channels"] * 4 + 2)
        means = [rate["measured"]["bytesMean"] for rate in rates]
        self.assertEqual(means, sorted(means))

    def test_the_baseline_is_a_graph_of_its_own(self) -> None:
        entry = self.manifest["baseline"]
        self.assertEqual((entry["file"], entry["logits"]), ("baseline.onnx", "logits"))
        self.assertEqual(entry["macs"], 16 * 8 * 27 + 16 * 16 * 72 + 16 * 16 * 144 + 1024)
        (logits,) = self.session("baseline.onnx").run(["logits"], {"image": SPLITS[2].images.numpy()})
        accuracy = 100 * (logits.argmax(1) == SPLITS[2].labels.numpy()).mean()
        self.assertRegex(self.card, rf"baseline: .* \| {accuracy:.2f} % \|")

    def test_the_card_tells_approximate_pictures_and_checks(self) -> None:
        self.assertIn("50 pictures", self.card)
        self.assertIn(
            "40 of the training files, of which\n20 train and 20 calibrate, and 10 of the test", self.card
        )
        _, _, section = self.card.partition("| test split | all 100 | the 90 published |")
        split = SPLITS[2]
        *_, logits = self.session("whole.onnx").run(None, {"image": split.images.numpy()})
        right = logits.argmax(1) == split.labels.numpy()
        both = [f"{100 * rows.mean():.2f} %" for rows in (right, right[split.exact.numpy()])]
        self.assertIn(f"| `final` alone | {both[0]} | {both[1]} |", section)
        self.assertRegex(self.card, r"`s1` \| \d\.\de-\d\d \| \d+ of 9,600 \|")
        self.assertIn("## Rates of the first cut", self.card)
        self.assertIn("1.5 minutes in all (together 1.0, baseline 0.5)", self.card)
        self.assertNotIn("nan", self.card)


class TakenOverTest(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name) / "bundle"
        self.recipe = replace(tiny_recipe(), rates=(4,))
        self.manifest = export(self.recipe, self.folder, baseline=False)

    def export_again(self) -> Entry:
        path = self.folder / "manifest.json"
        path.write_text(json.dumps(self.manifest))
        return export(self.recipe, self.folder, path, baseline=False)

    def test_an_exit_rule_chosen_since_is_taken_over_and_the_card_follows(self) -> None:
        self.manifest["exits"][0] |= {"temperature": 1.25, "threshold": 1.0}
        self.manifest["calibration"] |= {"guarantee": "by hand", "cut": 1}
        self.assertEqual(self.export_again(), self.manifest)
        card = (self.folder / "README.md").read_text()
        self.assertIn("`branch`: temperature 1.2500, threshold 1.000000", card)
        self.assertIn("| answered by `branch`, on the device | 100.00 % | 100.00 % |", card)
        self.assertIn("chosen by `offramp calibrate` for device-share 0.5.", card)
        self.assertIn("promise: by hand.", card)

    def test_one_chosen_on_other_records_is_refused(self) -> None:
        self.manifest["records"][0]["sha256"] = "0" * 64
        with self.assertRaisesRegex(ExportError, "chosen on other records"):
            self.export_again()

    def test_what_is_no_manifest_is_refused(self) -> None:
        for manifest in ({}, [], "x", self.manifest | {"exits": [{"name": "a"}]}):
            self.manifest = manifest
            with self.assertRaisesRegex(ExportError, "is no manifest to take an exit rule from"):
                self.export_again()


class PlainBundleTest(unittest.TestCase):
    def test_without_compact_weights_baseline_and_rates_none_are_there(self) -> None:
        recipe = replace(tiny_recipe(compact_weights=False), rates=(4,))
        with tempfile.TemporaryDirectory() as parent:
            manifest = export(recipe, Path(parent) / "bundle", baseline=False)
            self.assertNotIn("baseline", manifest)
            self.assertNotIn("rates", manifest["cuts"][0])
            self.assertNotIn(b".half", (Path(parent) / "bundle" / "whole.onnx").read_bytes())
            self.assertNotIn("Rates", (Path(parent) / "bundle" / "README.md").read_text())

    def test_rates_that_do_not_end_with_all_channels_are_refused(self) -> None:
        recipe = replace(tiny_recipe(compact_weights=False), rates=(1, 3))
        with tempfile.TemporaryDirectory() as parent:
            with self.assertRaisesRegex(ExportError, "last rate .* is 3 channels, expected all 4"):
                export(recipe, Path(parent) / "bundle")

    def test_a_graph_that_departs_from_the_network_is_refused(self) -> None:
        network, split = fuse(tiny_network()), SPLITS[1]
        with tempfile.TemporaryDirectory() as parent:
            writer = GraphWriter(Path(parent), compact=False)
            segments, whole = writer.segments(network, (8, 8, 3)), writer.whole(network, (8, 8, 3))
            evaluated = evaluate_graphs(Graphs(Path(parent), segments, whole, None), split)
            self.assertEqual(len(check_graphs(network, None, evaluated)), 3)
            network.segments[1].head[1].bias.data += 0.01
            with self.assertRaisesRegex(ExportError, "exported s1 departs"):
                check_graphs(network, None, evaluated)

    def test_values_that_float16_does_not_hold_are_refused(self) -> None:
        for value in (0.1, 1e6):
            weights = numpy_helper.from_array(np.full(256, value, np.float32), "w")
            graph = helper.make_graph([], "g", [], [], [weights])
            with self.assertRaisesRegex(ExportError, "w holds values"):
                store_as_half(graph)

    def test_records_pad_the_labels_to_eight(self) -> None:
        logits = np.arange(3 * 2 * 10, dtype=np.float32).reshape(3, 2, 10)
        raw = record_bytes(np.array([1, 2, 3]), logits)
        self.assertEqual(raw[:8], bytes([1, 2, 3, 0, 0, 0, 0, 0]))
        self.assertEqual(struct.unpack("<60f", raw[8:]), tuple(range(60)))


def _files(value: object) -> list[Entry]:
    """Every entry of a manifest that names a file."""
    if isinstance(value, list):
        return [entry for part in value for entry in _files(part)]
    if not isinstance(value, dict):
        return []
    return [value] * ("file" in value) + _files(list(value.values()))


if __name__ == "__main__":
    unittest.main()
