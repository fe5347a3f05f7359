"""The peer: KServe's own Python server around ONNX Runtime. BENCH_MODEL=FILE BENCH_THREADS=N kserve_onnx.py [KServe's arguments]"""
import os

import onnxruntime
from kserve import InferOutput, InferResponse, Model, ModelServer

MODEL, INPUT, OUTPUT = os.environ["BENCH_MODEL"], "x", "y"


class Onnx(Model):
    session = None  # made in each worker process: sessions do not pickle

    def load(self):
        self.ready = True
        return True

    def run(self, rows):
        if self.session is None:
            options = onnxruntime.SessionOptions()
            if threads := int(os.environ["BENCH_THREADS"]):  # 0 = the default of ONNX Runtime
                options.intra_op_num_threads = threads
            self.session = onnxruntime.InferenceSession(MODEL, options)
        return self.session.run(None, {INPUT: rows})[0]

    def predict(self, payload, headers=None):
        rows = payload.inputs[0].as_numpy().astype("float32", copy=False)
        answer = self.run(rows)
        output = InferOutput(name=OUTPUT, shape=list(answer.shape), datatype="FP32")
        output.set_data_from_numpy(answer, binary_data=False)
        return InferResponse(response_id=payload.id or "0", model_name=self.name, infer_outputs=[output])


if __name__ == "__main__":
    model = Onnx("mlp")
    model.load()
    ModelServer(enable_grpc=False, access_log_format=None).start([model])
