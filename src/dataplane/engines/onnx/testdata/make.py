"""Writes the small ONNX models of the unit tests beside itself. Needs onnx, skl2onnx and scikit-learn."""
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper

HERE = Path(__file__).parent


def save(name, nodes, inputs, outputs, weights=()):
    graph = helper.make_graph(nodes, name, inputs, outputs,
                              [numpy_helper.from_array(v, k) for k, v in dict(weights).items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, HERE / f"{name}.onnx")


def info(name, kind, *shape):
    return helper.make_tensor_value_info(name, kind, shape)


# y = x W + b, row by row
save("linear", [helper.make_node("Gemm", ["x", "w", "b"], ["y"])], [info("x", T.FLOAT, "n", 3)], [info("y", T.FLOAT, "n", 2)],
     {"w": np.array([[1, 0], [0, 1], [1, 1]], "f"), "b": np.array([0.5, -0.5], "f")})
# rows depend on those before: never to be batched
save("running_sum", [helper.make_node("CumSum", ["x", "axis"], ["y"])], [info("x", T.FLOAT, "n", 2)],
     [info("y", T.FLOAT, "n", 2)], {"axis": np.array(0, "i8")})
# every element type there and back
KINDS = {"bool": T.BOOL, "i8": T.INT8, "i16": T.INT16, "i32": T.INT32, "i64": T.INT64, "u8": T.UINT8, "u16": T.UINT16,
         "u32": T.UINT32, "u64": T.UINT64, "f16": T.FLOAT16, "f32": T.FLOAT, "f64": T.DOUBLE, "text": T.STRING}
save("identity", [helper.make_node("Identity", [k], [k + "_out"]) for k in KINDS],
     [info(k, v, "n") for k, v in KINDS.items()], [info(k + "_out", v, "n") for k, v in KINDS.items()])
# an index that may lie outside of the table
save("lookup", [helper.make_node("Gather", ["table", "index"], ["y"])], [info("index", T.INT64, "n")],
     [info("y", T.FLOAT, "n")], {"table": np.array([10, 20, 30], "f")})

from skl2onnx import to_onnx  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [2, 2], [2, 3]], "f")
classifier = LogisticRegression().fit(X, ["a", "a", "b", "b", "c", "c"])
model = to_onnx(classifier, X[:1], target_opset=17)  # with ZipMap, skl2onnx's default
model.ir_version = min(model.ir_version, 10)
onnx.save(model, HERE / "zipmap.onnx")
