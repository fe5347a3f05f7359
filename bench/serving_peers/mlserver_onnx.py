"""The peer: a custom runtime of MLServer around ONNX Runtime, run by `mlserver start FOLDER` (bench/serving.py writes its settings)."""
import os

import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


class Onnx(MLModel):
    async def load(self):
        options = onnxruntime.SessionOptions()
        if threads := int(os.environ["BENCH_THREADS"]):
            options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(os.environ["BENCH_MODEL"], options)
        return True

    async def predict(self, payload):
        rows = NumpyCodec.decode_input(payload.inputs[0]).astype("float32", copy=False)
        answer = self.session.run(None, {"x": rows})[0]
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("y", answer)])
