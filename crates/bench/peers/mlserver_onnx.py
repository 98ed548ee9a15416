"""MLServer in one process, without parallel workers, with a runtime for ONNX files, of which it ships none."""

import argparse
import asyncio
from pathlib import Path

import onnxruntime as ort
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.settings import ModelParameters
from mlserver.types import InferenceRequest, InferenceResponse


class OnnxRuntime(MLModel):
    """One ONNX file."""

    async def load(self) -> bool:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(self.settings.parameters.uri, options, providers=["CPUExecutionProvider"])
        self.names = [output.name for output in self.session.get_outputs()]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        arrays = {tensor.name: NumpyCodec.decode_input(tensor) for tensor in payload.inputs}
        results = self.session.run(self.names, arrays)
        outputs = [NumpyCodec.encode_output(name, array) for name, array in zip(self.names, results)]
        return InferenceResponse(model_name=self.name, outputs=outputs)


async def serve(models: Path, port: int) -> None:
    settings = Settings(
        host="127.0.0.1",
        http_port=port,
        grpc_port=port + 1,
        metrics_endpoint=None,
        parallel_workers=0,
        access_log=False,
        debug=False,
        use_structured_logging=False,
    )
    described = [
        ModelSettings(name=path.stem, implementation=OnnxRuntime, parameters=ModelParameters(uri=str(path)))
        for path in models.glob("*.onnx")
    ]
    await MLServer(settings).start(described)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    args = parser.parse_args()
    asyncio.run(serve(args.models, args.port))


if __name__ == "__main__":
    main()
