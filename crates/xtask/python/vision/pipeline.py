"""What one would write by hand: OpenCV decodes and letterboxes, ONNX Runtime runs, NumPy reads the boxes. One thread.

usage: pipeline.py MODEL PICTURE SECONDS cpu|cuda:N

Reads the picture's file anew each time and prints {"images_per_s": ...}.
"""

import json
import sys
import time

import cv2
import numpy as np
import onnxruntime as ort

CONFIDENCE, IOU, MOST, PAD = 0.25, 0.7, 300, 114


def letterbox(picture: np.ndarray, height: int, width: int) -> tuple[np.ndarray, float, int, int]:
    h, w = picture.shape[:2]
    gain = min(height / h, width / w)
    nw, nh = max(round(w * gain), 1), max(round(h * gain), 1)
    if (nw, nh) != (w, h):
        picture = cv2.resize(picture, (nw, nh), interpolation=cv2.INTER_LINEAR)
    left, top = round((width - nw) / 2 - 0.1), round((height - nh) / 2 - 0.1)
    bottom, right = height - nh - top, width - nw - left
    framed = cv2.copyMakeBorder(picture, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(PAD, PAD, PAD))
    return framed, gain, left, top


def boxes(raw: np.ndarray, gain: float, left: int, top: int) -> np.ndarray:
    """Rows of x1, y1, x2, y2, score, class in pixels of the picture, best first."""
    scores = raw[4:].max(0)
    kept = scores > CONFIDENCE
    rows, scores, classes = raw[:4, kept].T, scores[kept], raw[4:, kept].argmax(0)
    corners = np.concatenate([rows[:, :2] - rows[:, 2:] / 2, rows[:, :2] + rows[:, 2:] / 2], 1)
    found, left_over = [], list(np.argsort(-scores, kind="stable"))
    while left_over and len(found) < MOST:
        best, others = left_over[0], np.array(left_over[1:], dtype=int)
        found.append(best)
        low, high = np.maximum(corners[best, :2], corners[others, :2]), np.minimum(corners[best, 2:], corners[others, 2:])
        both = np.clip(high - low, 0, None).prod(1)
        area = (corners[:, 2:] - corners[:, :2]).prod(1)
        overlap = both / (area[best] + area[others] - both)
        left_over = list(others[~((overlap > IOU) & (classes[others] == classes[best]))])
    placed = (corners[found] - [left, top, left, top]) / gain
    return np.concatenate([placed, scores[found, None], classes[found, None]], 1)


def providers(device: str) -> list[object]:
    if device == "cpu":
        return ["CPUExecutionProvider"]
    name, number = device.split(":")
    return [(f"{name.upper()}ExecutionProvider", {"device_id": number}), "CPUExecutionProvider"]


def main() -> None:
    model, picture, seconds, device = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4]
    cv2.setNumThreads(1)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=providers(device))
    if device != "cpu" and session.get_providers()[0] == "CPUExecutionProvider":
        sys.exit(f"{device} could not be used")
    source = session.get_inputs()[0]
    height, width = source.shape[2:]

    def look() -> np.ndarray:
        framed, gain, left, top = letterbox(cv2.imread(picture), height, width)
        tensor = np.ascontiguousarray(framed[..., ::-1].transpose(2, 0, 1), dtype=np.float32)[None]
        tensor /= 255
        return boxes(session.run(None, {source.name: tensor})[0][0], gain, left, top)

    for _ in range(3):
        look()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        look()
        count += 1
    print(json.dumps({"images_per_s": count / (time.perf_counter() - began)}))


if __name__ == "__main__":
    main()
