"""A model server as a common Python service is written: pydantic bodies, one worker, runs on a thread pool."""

import argparse
import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

app = FastAPI()
sessions: dict[str, ort.InferenceSession] = {}


class Question(BaseModel):
    """Nested lists by the names of inputs."""

    inputs: dict[str, list[Any]]


class Answer(BaseModel):
    """Nested lists by the names of outputs."""

    model: str
    outputs: dict[str, list[Any]]


@app.get("/health/ready")
async def ready() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/models/{model}/predict")
async def predict(model: str, question: Question) -> Answer:
    if model not in sessions:
        raise HTTPException(404, f"no model {model}")
    outputs = await asyncio.to_thread(run, sessions[model], question.inputs)
    return Answer(model=model, outputs=outputs)


def run(session: ort.InferenceSession, inputs: dict[str, list[Any]]) -> dict[str, list[Any]]:
    arrays = {name: np.array(values, dtype=np.float32) for name, values in inputs.items()}
    names = [output.name for output in session.get_outputs()]
    return {name: array.tolist() for name, array in zip(names, session.run(names, arrays))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    args = parser.parse_args()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    for path in args.models.glob("*.onnx"):
        sessions[path.stem] = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    uvicorn.run(app, host="127.0.0.1", port=args.port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
