"""tritonclient against a running server: sync, async, asyncio, compression, base path, key, every datatype."""

import asyncio
import os
import sys

import numpy as np
import tritonclient.http as http
import tritonclient.http.aio as aio
from tritonclient.utils import InferenceServerException

HOST = os.environ["ORTOLAN_HOST"]
HEADERS = {"Authorization": "Bearer " + os.environ["ORTOLAN_KEY"]}
OPERATOR = {"X-API-Key": os.environ["ORTOLAN_OPERATOR_KEY"]}
# The client writes into the headers that it is given, so each call gets a copy.
ROWS = np.arange(8, dtype=np.float32).reshape(2, 4)


def rows(binary=True):
    tensor = http.InferInput("x", list(ROWS.shape), "FP32")
    tensor.set_data_from_numpy(ROWS, binary_data=binary)
    return [tensor]


def wanted(binary):
    return [http.InferRequestedOutput("y", binary_data=binary)]


def check(result):
    np.testing.assert_array_equal(result.as_numpy("y"), ROWS)


def refused(call, text):
    try:
        call()
    except InferenceServerException as error:
        assert text in str(error), error
    else:
        raise AssertionError("was not refused: " + text)


def looks(client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.get_server_metadata(headers=dict(HEADERS))["name"] == "ortolan"
    assert client.is_model_ready("identity", headers=dict(HEADERS))
    assert client.is_model_ready("identity", "1.0.0", headers=dict(HEADERS))
    assert not client.is_model_ready("nothing", headers=dict(HEADERS))
    metadata = client.get_model_metadata("identity", headers=dict(HEADERS))
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}], metadata
    assert client.get_model_config("identity", headers=dict(HEADERS))["input"][0]["data_type"] == "TYPE_FP32"
    index = client.get_model_repository_index(headers=dict(HEADERS))
    assert {"name": "identity", "version": "1.0.0", "state": "READY", "reason": ""} in index, index
    stats = client.get_inference_statistics("identity", headers=dict(HEADERS))
    assert stats["model_stats"][0]["name"] == "identity"
    refused(lambda: client.get_model_metadata("nothing", headers=dict(HEADERS)), "no such model")
    refused(lambda: client.get_model_metadata("identity"), "API key")


def infers(client):
    for binary_in in (True, False):
        for binary_out in (True, False):
            check(client.infer("identity", rows(binary_in), outputs=wanted(binary_out), headers=dict(HEADERS)))
    check(client.infer("identity", rows(), headers=dict(HEADERS)))
    check(client.infer("identity", rows(), model_version="1.0.0", request_id="r-1", timeout=5_000_000, headers=dict(HEADERS)))
    answer = client.infer("identity", rows(), request_id="r-2", headers=dict(HEADERS))
    assert answer.get_response()["id"] == "r-2"
    for algorithm in ("gzip", "deflate"):
        check(client.infer("identity", rows(), headers=dict(HEADERS), request_compression_algorithm=algorithm,
                           response_compression_algorithm=algorithm))
    pending = [client.async_infer("identity", rows(), headers=dict(HEADERS)) for _ in range(8)]
    for one in pending:
        check(one.get_result())
    wrong = http.InferInput("x", [2, 4], "FP64")
    wrong.set_data_from_numpy(ROWS.astype(np.float64))
    refused(lambda: client.infer("identity", [wrong], headers=dict(HEADERS)), "FP32")


def strings(client):
    texts = np.array([b"a", b"", "ü".encode(), b"\x00\xff"], dtype=np.object_)
    tensor = http.InferInput("s", [4], "BYTES")
    tensor.set_data_from_numpy(texts)
    assert list(client.infer("string_identity", [tensor], headers=dict(HEADERS)).as_numpy("t")) == list(texts)
    plain = http.InferInput("s", [2], "BYTES")
    plain.set_data_from_numpy(np.array([b"a", "ü".encode()], dtype=np.object_), binary_data=False)
    outputs = [http.InferRequestedOutput("t", binary_data=False)]
    answer = client.infer("string_identity", [plain], outputs=outputs, headers=dict(HEADERS))
    assert [str(text) for text in answer.as_numpy("t")] == ["a", "ü"], answer.as_numpy("t")


def datatypes(client):
    """`multi_dtype` has an input of each of several types; what goes in is what its metadata asks for."""
    numpy = {"BOOL": bool, "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
             "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64, "FP16": np.float16,
             "FP32": np.float32, "FP64": np.float64}
    metadata = client.get_model_metadata("multi_dtype", headers=dict(HEADERS))
    inputs = []
    for port in metadata["inputs"]:
        shape = [2 if axis < 0 else axis for axis in port["shape"]]
        tensor = http.InferInput(port["name"], shape, port["datatype"])
        values = np.array([b"a"] * int(np.prod(shape)), dtype=np.object_) if port["datatype"] == "BYTES" else np.ones(shape)
        values = values.reshape(shape) if port["datatype"] == "BYTES" else values.astype(numpy[port["datatype"]])
        tensor.set_data_from_numpy(values)
        inputs.append(tensor)
    answer = client.infer("multi_dtype", inputs, headers=dict(HEADERS))
    for port in metadata["outputs"]:
        assert answer.as_numpy(port["name"]) is not None, port


async def asynchronous():
    async with aio.InferenceServerClient(HOST) as client:
        assert await client.is_server_live()
        check(await client.infer("identity", rows(), headers=dict(HEADERS)))
        many = await asyncio.gather(*(client.infer("identity", rows(), headers=dict(HEADERS)) for _ in range(16)))
        for one in many:
            check(one)


def main():
    client = http.InferenceServerClient(HOST, concurrency=4)
    looks(client)
    infers(client)
    strings(client)
    datatypes(client)
    asyncio.run(asynchronous())
    check(http.InferenceServerClient(HOST + "/t/acme").infer("identity", rows(), headers=dict(OPERATOR)))
    print("ok")


sys.exit(main())
