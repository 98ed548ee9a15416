"""Makes what is measured: a detector with the shape and about the cost of a nano YOLO, and a photograph of 1920 x 1080 pixels.

usage: inputs.py PHOTOGRAPH FOLDER
"""

import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

EDGE, CLASSES = 640, 80
# Output channels and 3 x 3 convolutions after the halving, for the strides 8, 16 and 32.
STAGES = ((64, 1), (128, 1), (256, 1))


class Net:
    """A chain of convolutions with random weights; the same ones every time."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(7)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.name, self.channels = "images", 3

    def constant(self, values: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def node(self, kind: str, inputs: list[str], **attributes: object) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def weights(self, *shape: int) -> str:
        scale = np.sqrt(2 / np.prod(shape[1:]))
        return self.constant((self.random.standard_normal(shape) * scale).astype(np.float32))

    def conv(self, channels: int, stride: int = 1) -> None:
        weights = self.weights(channels, self.channels, 3, 3)
        sum_ = self.node("Conv", [self.name, weights], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[stride, stride])
        # SiLU, as such detectors have it.
        self.name, self.channels = self.node("Mul", [sum_, self.node("Sigmoid", [sum_])]), channels

    def head(self) -> str:
        """Centre, size and scores for each cell of the grid."""
        channels = 4 + CLASSES
        weights = self.random.standard_normal((channels, self.channels, 1, 1)).astype(np.float32) / self.channels
        # Scores stay low: as in most photographs, nearly nothing is found.
        bias = np.concatenate([np.zeros(4), np.full(CLASSES, -6.0)]).astype(np.float32)
        raw = self.node("Conv", [self.name, self.constant(weights), self.constant(bias)], kernel_shape=[1, 1])
        return self.node("Reshape", [raw, self.constant(np.array([1, channels, -1], dtype=np.int64))])


def detector(path: Path) -> None:
    net = Net()
    net.conv(16, stride=2)
    net.conv(32, stride=2)
    heads = []
    for channels, depth in STAGES:
        net.conv(channels, stride=2)
        for _ in range(depth):
            net.conv(channels)
        heads.append(net.head())
    shares = net.node("Sigmoid", [net.node("Concat", heads, axis=2)])
    # Boxes in pixels of the input, scores as they are.
    scale = np.ones((1, 4 + CLASSES, 1), dtype=np.float32)
    scale[:, :4] = EDGE
    net.nodes.append(helper.make_node("Mul", [shares, net.constant(scale)], ["output0"]))
    cells = sum((EDGE // stride) ** 2 for stride in (8, 16, 32))
    graph = helper.make_graph(
        net.nodes,
        "detector",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, EDGE, EDGE])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 4 + CLASSES, cells])],
        net.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    names = {number: f"class {number}" for number in range(CLASSES)}
    facts = {"task": "detect", "stride": "32", "imgsz": f"[{EDGE}, {EDGE}]", "names": str(names)}
    helper.set_model_props(model, facts)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def main() -> None:
    photograph, folder = sys.argv[1], Path(sys.argv[2])
    detector(folder / "detector_640.onnx")
    picture = cv2.resize(cv2.imread(photograph), (1920, 1080), interpolation=cv2.INTER_CUBIC)
    if not cv2.imwrite(str(folder / "picture.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 90]):
        sys.exit("the picture could not be written")


if __name__ == "__main__":
    main()
