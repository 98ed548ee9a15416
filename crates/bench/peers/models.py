"""Makes the models of the bench, and for each the bodies that ask for it and what it answers.

Weights are random but seeded: the same script makes the same models. They predict nothing; they have the sizes and the
cost of real ones.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

KEPT_VALUES = 8
"""How many values of an answer are compared."""


class Net:
    """A net that is built layer by layer; `tensor` and `channels` are those of the last layer."""

    def __init__(self, shape: list[int | str], seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.shape = shape
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.tensor, self.channels = "input", shape[1]

    def add(self, kind: str, inputs: list[str], **attributes: object) -> str:
        output = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def weight(self, *shape: int) -> str:
        """Random weights whose scale keeps activations near one."""
        scale = np.sqrt(2 / max(1, int(np.prod(shape[1:]))))
        return self.constant((self.random.standard_normal(shape) * scale).astype(np.float32))

    def constant(self, value: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def conv(self, channels: int, stride: int = 1) -> "Net":
        """A 3x3 convolution with bias and ReLU that keeps the size over the stride."""
        inputs = [self.tensor, self.weight(channels, self.channels, 3, 3), self.weight(channels)]
        raw = self.add("Conv", inputs, strides=[stride] * 2, pads=[1] * 4, kernel_shape=[3, 3])
        self.tensor, self.channels = self.add("Relu", [raw]), channels
        return self

    def save(self, path: Path, output_shape: list[int | str]) -> None:
        self.nodes.append(helper.make_node("Identity", [self.tensor], ["output"]))
        source = helper.make_tensor_value_info("input", TensorProto.FLOAT, self.shape)
        target = helper.make_tensor_value_info("output", TensorProto.FLOAT, output_shape)
        graph = helper.make_graph(self.nodes, path.stem, [source], [target], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, path)


def tiny(path: Path) -> None:
    """4 numbers to 3, one Gemm: all cost is the server's."""
    net = Net(["n", 4], seed=1)
    net.tensor = net.add("Gemm", [net.tensor, net.weight(4, 3), net.weight(3)])
    net.save(path, ["n", 3])


def mid(path: Path) -> None:
    """A small classifier of pictures, [n,3,224,224] to [n,1000]."""
    net = Net(["n", 3, 224, 224], seed=2)
    net.conv(32, stride=2).conv(64, stride=2).conv(64)
    for channels in (128, 256):
        net.conv(channels, stride=2).conv(channels).conv(channels)
    flat = net.add("Flatten", [net.add("GlobalAveragePool", [net.tensor])])
    net.tensor = net.add("Gemm", [flat, net.weight(256, 1000), net.weight(1000)])
    net.save(path, ["n", 1000])


def yolo_like(path: Path) -> None:
    """The shapes of a small detector, [1,3,640,640] to [1,84,8400], out of strides 8, 16 and 32."""
    net = Net([1, 3, 640, 640], seed=3)
    net.conv(32, stride=2).conv(64, stride=2).conv(64)
    boxes = []
    for channels, depth in ((128, 2), (256, 2), (512, 1)):
        net.conv(channels, stride=2)
        for _ in range(depth):
            net.conv(channels)
        head = net.add("Conv", [net.tensor, net.weight(84, channels, 1, 1), net.weight(84)], kernel_shape=[1, 1])
        boxes.append(net.add("Reshape", [head, net.constant(np.array([1, 84, -1], dtype=np.int64))]))
    net.tensor = net.add("Concat", boxes, axis=2)
    net.save(path, [1, 84, 8400])


def write_bodies(model: Path) -> None:
    """Writes `NAME.json`, `NAME.binary` and `NAME.lists`, and `NAME.expect.json` with what they must be answered."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (source,) = session.get_inputs()
    shape = [axis if isinstance(axis, int) else 1 for axis in source.shape]
    # Four decimals: as long in JSON as real pixels are.
    values = (np.arange(int(np.prod(shape))) * 7919 % 10_000 / 10_000).reshape(shape)
    numbers = values.astype(np.float32)
    answer = session.run(None, {source.name: numbers})[0]

    tensor = {"name": source.name, "shape": shape, "datatype": "FP32"}
    binary = tensor | {"parameters": {"binary_data_size": numbers.nbytes}}
    head = json.dumps({"inputs": [binary], "parameters": {"binary_data_output": True}}).encode()
    bodies = {
        "json": json.dumps({"inputs": [tensor | {"data": values.ravel().tolist()}]}).encode(),
        "binary": head + numbers.tobytes(),
        "lists": json.dumps({source.name: values.tolist()}).encode(),
    }
    for wire, body in bodies.items():
        model.with_suffix(f".{wire}").write_bytes(body)
    expected = {
        "values": answer.ravel()[:KEPT_VALUES].tolist(),
        "count": int(answer.size),
        "head_bytes": len(head),
    }
    model.with_suffix(".expect.json").write_text(json.dumps(expected))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for make in (tiny, mid, yolo_like):
        path = folder / f"{make.__name__}.onnx"
        make(path)
        write_bodies(path)


if __name__ == "__main__":
    main()
