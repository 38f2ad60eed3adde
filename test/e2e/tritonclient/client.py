"""Drives a server with NVIDIA's client, `tritonclient[http]`.

`python client.py CHECK SETTINGS`, where SETTINGS is a JSON object with `url` (host:port), `token` and what the check needs.
Prints one JSON object; the test compares it.
"""

import asyncio
import json
import sys

import numpy as np
import tritonclient.http as http
import tritonclient.http.aio as aio
from tritonclient.utils import InferenceServerException


def headers_of(settings):
    return {"Authorization": f"Bearer {settings['token']}"}


def images_of(settings):
    """Uint8 [rows, height, width, channels], the first so many of a file of raw pixels."""
    images = np.fromfile(settings["pixels"], dtype=np.uint8).reshape(-1, *settings["shape"])
    return images[: settings["rows"]]


def tensor(rows, name="image", binary=True, module=http):
    wanted = module.InferInput(name, list(rows.shape), "UINT8")
    wanted.set_data_from_numpy(rows, binary_data=binary)
    return wanted


def answer_of(result):
    return {name: result.as_numpy(name).tolist() for name in ("label", "exit")}


def describe(client, settings):
    """What the server tells of itself and of its models."""
    headers = headers_of(settings)
    models = settings["models"]
    return {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "modelReady": {name: client.is_model_ready(name, headers=headers) for name in [*models, "nope"]},
        "server": client.get_server_metadata(headers=headers),
        "metadata": {name: client.get_model_metadata(name, "1", headers=headers) for name in models},
        "config": {name: client.get_model_config(name, headers=headers) for name in models},
        "index": client.get_model_repository_index(headers=headers),
        "statistics": client.get_inference_statistics(headers=headers),
    }


def ways(client, settings):
    """The same rows sent and fetched in every way there is."""
    rows = images_of(settings)
    headers = headers_of(settings)

    def infer(binary, **more):
        outputs = [http.InferRequestedOutput(name, binary_data=binary) for name in ("logits", "label", "exit")]
        wanted = [tensor(rows, binary=binary)]
        # The client puts headers of its own into the dictionary that it is given.
        return client.infer(settings["model"], wanted, outputs=outputs, headers=dict(headers), **more)

    results = {
        "binary": infer(True),
        "json": infer(False),
        "version": infer(True, model_version="1"),
        "gzip": infer(True, request_compression_algorithm="gzip", response_compression_algorithm="gzip"),
        "deflate": infer(False, request_compression_algorithm="deflate", response_compression_algorithm="deflate"),
        "default": client.infer(settings["model"], [tensor(rows)], headers=dict(headers)),
    }
    answers = {way: answer_of(result) for way, result in results.items()}
    logits = {way: result.as_numpy("logits") for way, result in results.items()}
    return {
        "answers": answers,
        "sameLogits": all(np.array_equal(logits["binary"], other) for other in logits.values()),
        "labelsOfLogits": logits["binary"].argmax(axis=1).tolist(),
    }


def outputs(client, settings):
    """Requested outputs, the best classes, and what comes back of a request besides tensors."""
    rows = images_of(settings)
    headers = headers_of(settings)
    wanted = [http.InferRequestedOutput("label")]
    result = client.infer(settings["model"], [tensor(rows)], outputs=wanted, request_id="id-7", headers=headers)
    best = [http.InferRequestedOutput("logits", class_count=2), http.InferRequestedOutput("label")]
    classes = client.infer(settings["model"], [tensor(rows)], outputs=best, headers=headers)
    in_time = client.infer(settings["model"], [tensor(rows)], priority=1, timeout=30_000_000, headers=headers)
    return {
        "id": result.get_response()["id"],
        "names": [output["name"] for output in result.get_response()["outputs"]],
        "absent": result.as_numpy("logits") is None,
        "label": classes.as_numpy("label").tolist(),
        "best": [[word.decode() for word in row] for row in classes.as_numpy("logits")],
        "inTime": answer_of(in_time),
    }


def concurrent(client, settings):
    """Many requests at once over several connections, by the client's greenlets and by its asyncio sibling."""
    rows = images_of(settings)
    headers = headers_of(settings)
    model = settings["model"]
    slices = [rows[first : first + 1 + first % 3] for first in range(0, len(rows) - 3)]
    pending = [
        client.async_infer(model, [tensor(part)], request_id=str(index), headers=headers)
        for index, part in enumerate(slices)
    ]
    greenlets = [result.get_result() for result in pending]

    async def by_asyncio():
        async with aio.InferenceServerClient(settings["url"]) as other:
            tasks = [
                other.infer(model, [tensor(part, module=aio)], request_id=str(index), headers=dict(headers))
                for index, part in enumerate(slices)
            ]
            return await asyncio.gather(*tasks)

    def told(results):
        return [{"id": result.get_response()["id"], **answer_of(result)} for result in results]

    return {"greenlets": told(greenlets), "asyncio": told(asyncio.run(by_asyncio()))}


def errors(client, settings):
    """What the client raises for requests that cannot be answered: status and words."""
    headers = headers_of(settings)
    model = settings["model"]
    rows = images_of(settings)

    def wrong_tensor(shape, datatype, values):
        wanted = http.InferInput("image", shape, datatype)
        wanted.set_data_from_numpy(values)
        return lambda: client.infer(model, [wanted], headers=headers)

    attempts = {
        "model": lambda: client.infer("nope", [tensor(rows)], headers=headers),
        "version": lambda: client.get_model_metadata(model, "2", headers=headers),
        "input": lambda: client.infer(model, [tensor(rows, name="picture")], headers=headers),
        "output": lambda: client.infer(
            model, [tensor(rows)], outputs=[http.InferRequestedOutput("nope")], headers=headers
        ),
        "shape": wrong_tensor([2, 5], "UINT8", np.zeros((2, 5), np.uint8)),
        "datatype": wrong_tensor(list(rows.shape), "FP32", rows.astype(np.float32)),
        "token": lambda: client.infer(model, [tensor(rows)]),
        "load": lambda: client.load_model(model, headers=headers),
        "sharedMemory": lambda: client.get_system_shared_memory_status(headers=headers),
        "late": lambda: client.infer(model, [tensor(np.repeat(rows, 500, axis=0))], timeout=1, headers=headers),
    }
    raised = {}
    for name, attempt in attempts.items():
        try:
            attempt()
            raised[name] = {"status": "200", "message": ""}
        except InferenceServerException as error:
            raised[name] = {"status": error.status(), "message": error.message()}
    return raised


def chain(client, settings):
    """All segments one after the other, the codes of each into the next, beside the whole."""
    rows = images_of(settings)
    headers = headers_of(settings)
    model = settings["model"]
    whole = client.infer(model, [tensor(rows)], headers=headers)
    codes, name, logits = rows, "image", []
    for segment in range(settings["segments"]):
        result = client.infer(f"{model}-s{segment}", [tensor(codes, name)], headers=headers)
        logits.append(result.as_numpy("logits"))
        further = [output["name"] for output in result.get_response()["outputs"] if output["name"] != "logits"]
        if further:
            name = further[0]
            codes = result.as_numpy(name)
    taken = whole.as_numpy("exit")
    chosen = np.stack(logits)[taken, np.arange(len(rows))]
    return {
        **answer_of(whole),
        "chainLabel": chosen.argmax(axis=1).tolist(),
        "furthest": float(np.abs(chosen - whole.as_numpy("logits")).max()),
    }


def main():
    check, settings = sys.argv[1], json.loads(sys.argv[2])
    checks = {
        one.__name__: one for one in (describe, ways, outputs, concurrent, errors, chain)
    }
    with http.InferenceServerClient(settings["url"], concurrency=8) as client:
        print(json.dumps(checks[check](client, settings)))


if __name__ == "__main__":
    main()
