"""A backend for Triton Inference Server under the name `onnxruntime`, so that a server that was built without that backend runs
an exported repository as it stands. Configuration, batching, warm-up and protocol are the server's own."""

import os
import sys

# The server's Python has its own idea of where packages are.
sys.path.append(os.environ["ONNXRUNTIME_PACKAGES"])

import onnxruntime  # noqa: E402
import triton_python_backend_utils as triton  # noqa: E402


class TritonPythonModel:
    def initialize(self, args):
        file = os.path.join(args["model_repository"], args["model_version"], "model.onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            file, options, providers=["CPUExecutionProvider"]
        )
        self.input = self.session.get_inputs()[0].name
        self.outputs = [output.name for output in self.session.get_outputs()]

    def execute(self, requests):
        return [self.respond(request) for request in requests]

    def respond(self, request):
        tensor = triton.get_input_tensor_by_name(request, self.input).as_numpy()
        results = self.session.run(self.outputs, {self.input: tensor})
        return triton.InferenceResponse(
            [triton.Tensor(name, result) for name, result in zip(self.outputs, results)]
        )
