"""Runs one model in a process of its own and answers the model server over descriptor 3.

worker.py LOADER PATH. A frame is: 4 bytes length of the head, 8 bytes length of the rest (little-endian), the head as
JSON, then the tensors' bytes one after another. Only NumPy and what the model itself needs is imported.
"""
import json
import os
import socket
import struct
import sys

import numpy as np

HEAD_BYTES_MAX = 1 << 20
# V2 name -> NumPy type. BYTES is apart: each element has a 4-byte length before it.
TYPES = {"BOOL": "?", "INT8": "i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "UINT8": "u1", "UINT16": "<u2",
         "UINT32": "<u4", "UINT64": "<u8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}
NAMES = {np.dtype(code): name for name, code in TYPES.items()}
# MLflow's column types -> V2.
COLUMNS = {"boolean": "BOOL", "integer": "INT32", "long": "INT64", "float": "FP32", "double": "FP64", "string": "BYTES",
           "binary": "BYTES", "datetime": "BYTES"}


class Refused(Exception):
    """The request does not fit the model."""


class Channel:
    def __init__(self, descriptor):
        self.socket = socket.socket(fileno=descriptor)
        self.stream = self.socket.makefile("rb", buffering=1 << 16)

    def read(self):
        """The next frame, or None when the server is gone."""
        sizes = self.stream.read(12)
        if len(sizes) < 12:
            return None
        head_bytes, rest_bytes = struct.unpack("<IQ", sizes)
        head = self.stream.read(head_bytes)
        rest = self.stream.read(rest_bytes)
        return (json.loads(head), rest) if len(rest) == rest_bytes else None

    def write(self, head, chunks=()):
        text = json.dumps(head).encode()
        self.socket.sendall(struct.pack("<IQ", len(text), sum(len(c) for c in chunks)) + text)
        for chunk in chunks:
            self.socket.sendall(chunk)


def decode(specs, payload):
    """name -> array, in the request's order."""
    arrays, at = {}, 0
    for spec in specs:
        part = payload[at:at + spec["bytes"]]
        at += spec["bytes"]
        if spec["datatype"] == "BYTES":
            texts, where = [], 0
            while where < len(part):
                (length,) = struct.unpack_from("<I", part, where)
                texts.append(part[where + 4:where + 4 + length])
                where += 4 + length
            array = np.array([text_of(t) for t in texts], dtype=object)
        else:
            array = np.frombuffer(part, dtype=TYPES[spec["datatype"]])
        arrays[spec["name"]] = array.reshape(spec["shape"])
    return arrays


def text_of(raw):
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def encode(name, value):
    array = np.asarray(value)
    if array.dtype.kind in "OSUM":
        chunks = []
        for item in array.ravel():
            raw = item if isinstance(item, bytes) else str(item).encode()
            chunks.append(struct.pack("<I", len(raw)) + raw)
        data, kind = b"".join(chunks), "BYTES"
    else:
        if array.dtype.newbyteorder("<") not in NAMES:
            raise Refused(f"the model gave values of type {array.dtype}, which V2 has no name for")
        array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(array.shape)
        data, kind = array.tobytes(), NAMES[array.dtype]
    return {"name": str(name), "datatype": kind, "shape": list(array.shape), "bytes": len(data)}, data


def outputs_of(result, names):
    """What predict() gave as (name, value) pairs: a table column by column, a mapping key by key, else one array."""
    if hasattr(result, "columns") and hasattr(result, "iloc"):
        return [(c, result[c].to_numpy()) for c in result.columns]
    if isinstance(result, dict):
        return list(result.items())
    if hasattr(result, "to_numpy"):
        result = result.to_numpy()
    if hasattr(result, "toarray"):
        result = result.toarray()
    if isinstance(result, tuple):
        return [(names[i] if i < len(names) else f"output-{i}", part) for i, part in enumerate(result)]
    return [(names[0] if len(names) == 1 else "output-0", result)]


def column_specs(columns):
    return [{"name": c.name or f"input-{i}", "datatype": COLUMNS.get(getattr(c.type, "name", str(c.type)), "BYTES"),
             "shape": [-1, 1]} for i, c in enumerate(columns)]


def tensor_specs(tensors, prefix):
    return [{"name": t.name or f"{prefix}-{i}", "datatype": NAMES.get(np.dtype(t.type), "BYTES"),
             "shape": [int(d) for d in t.shape]} for i, t in enumerate(tensors)]


class Pyfunc:
    """An MLflow model, called through mlflow.pyfunc."""
    platform = "mlflow_pyfunc"

    def __init__(self, path):
        import mlflow.pyfunc
        self.model = mlflow.pyfunc.load_model(path)
        signature = self.model.metadata.signature
        self.inputs = signature.inputs if signature is not None else None
        self.columns = self.inputs is not None and not self.inputs.is_tensor_spec()
        outputs = signature.outputs if signature is not None else None
        self.output_specs = [] if outputs is None else (
            tensor_specs(outputs.inputs, "output") if outputs.is_tensor_spec() else column_specs(outputs.inputs))
        if outputs is not None and not outputs.is_tensor_spec():
            for i, spec in enumerate(self.output_specs):
                spec["shape"] = [-1]
                if not outputs.inputs[i].name:
                    spec["name"] = f"output-{i}"
        if self.inputs is None:
            self.input_specs = []
        elif self.columns:
            self.input_specs = column_specs(self.inputs.inputs)
        else:
            self.input_specs = tensor_specs(self.inputs.inputs, "input")

    def predict(self, arrays):
        return outputs_of(self.model.predict(self.arrange(arrays)), [s["name"] for s in self.output_specs])

    def arrange(self, arrays):
        if self.columns:
            return self.table(arrays)
        if self.inputs is not None:
            return self.tensors(arrays)
        if len(arrays) == 1:
            return next(iter(arrays.values()))
        if all(a.ndim == 1 or (a.ndim == 2 and a.shape[1] == 1) for a in arrays.values()):
            return self.frame({name: a.ravel() for name, a in arrays.items()})
        return arrays

    def frame(self, columns):
        import pandas as pd
        return pd.DataFrame(columns)

    def table(self, arrays):
        names = [s["name"] for s in self.input_specs]
        first = next(iter(arrays.values()))
        if len(arrays) == 1 and first.ndim == 2 and first.shape[1] == len(names) and not set(arrays) & set(names):
            arrays = {name: first[:, i] for i, name in enumerate(names)}  # the whole table as one tensor
        required = {c.name for c in self.inputs.inputs if getattr(c, "required", True)}
        missing = [n for n in names if n in required and n not in arrays]
        if missing:
            if len(arrays) == 1 and first.ndim == 2 and not set(arrays) & set(names):
                raise Refused(f'input "{next(iter(arrays))}" has {first.shape[1]} columns, the model takes {len(names)}')
            raise Refused("missing inputs: " + ", ".join(missing[:20]))
        unknown = [n for n in arrays if n not in names]
        if unknown:
            raise Refused("the model has no inputs: " + ", ".join(unknown[:20]))
        wanted = {s["name"]: s["datatype"] for s in self.input_specs}
        columns, rows = {}, None
        for name in names:
            if name not in arrays:
                continue
            array = arrays[name]
            if array.ndim > 2 or (array.ndim == 2 and array.shape[1] != 1):
                raise Refused(f'input "{name}": shape is {list(array.shape)}, a column takes [n] or [n,1]')
            if rows is not None and array.shape[0] != rows:
                raise Refused(f'input "{name}" has {array.shape[0]} rows, others have {rows}')
            rows = array.shape[0]
            columns[name] = self.convert(name, array.ravel(), wanted[name])
        return self.frame(columns)

    def tensors(self, arrays):
        names = [s["name"] for s in self.input_specs]
        if len(names) == 1:
            if len(arrays) != 1:
                raise Refused(f'the model takes one input, "{names[0]}", not {len(arrays)}')
            name, array = next(iter(arrays.items()))
            array = self.convert(name, array, self.input_specs[0]["datatype"])
            return {names[0]: array} if self.inputs.inputs[0].name else array
        missing, unknown = [n for n in names if n not in arrays], [n for n in arrays if n not in names]
        if missing:
            raise Refused("missing inputs: " + ", ".join(missing[:20]))
        if unknown:
            raise Refused("the model has no inputs: " + ", ".join(unknown[:20]))
        return {s["name"]: self.convert(s["name"], arrays[s["name"]], s["datatype"]) for s in self.input_specs}

    @staticmethod
    def convert(name, array, datatype):
        """The type that the model wants, when no value changes by it."""
        if datatype == "BYTES" or array.dtype == np.dtype(TYPES[datatype]):
            return array
        if array.dtype == object:
            raise Refused(f'input "{name}": datatype is BYTES, the model takes {datatype}')
        converted = array.astype(TYPES[datatype])
        exact = array.dtype.kind == "f" and converted.dtype.kind == "f"  # FP64 text for an FP32 model is what JSON is
        if not exact and not np.array_equal(converted.astype(array.dtype), array):
            raise Refused(f'input "{name}": its values do not fit {datatype}, which the model takes')
        return converted


class Sklearn:
    """A pickled estimator without MLflow's description."""
    platform = "sklearn"
    input_specs, output_specs = [], []

    def __init__(self, path):
        if path.endswith(".joblib"):
            import joblib
            self.model = joblib.load(path)
        else:
            import pickle
            with open(path, "rb") as file:
                self.model = pickle.load(file)

    def predict(self, arrays):
        if len(arrays) != 1:
            raise Refused(f"the model takes one input, not {len(arrays)}")
        return [("output-0", self.model.predict(next(iter(arrays.values()))))]


LOADERS = {"pyfunc": Pyfunc, "sklearn": Sklearn}
# Raised by models for data that does not suit them; other exceptions are the model's own fault.
CLIENT_ERRORS = (Refused, ValueError, TypeError, KeyError, IndexError)


def sentence(error):
    lines = str(error).strip().splitlines()
    text = lines[0][:500] if lines else ""
    return text if isinstance(error, Refused) else f"{type(error).__name__}: {text}"


def answer(model, head, payload):
    parts = [encode(name, value) for name, value in model.predict(decode(head["inputs"], payload))]
    return {"outputs": [spec for spec, _ in parts]}, [data for _, data in parts]


def main():
    channel = Channel(3)
    os.set_inheritable(3, False)
    try:
        model = LOADERS[sys.argv[1]](sys.argv[2])
    except BaseException as error:  # whatever it is, the owner gets to read it
        channel.write({"failed": sentence(error), "missing_module": getattr(error, "name", None) or ""
                       if isinstance(error, ImportError) else ""})
        raise
    if "--trial" in sys.argv:
        print("loads")
        return
    channel.write({"ready": True, "platform": model.platform, "inputs": model.input_specs,
                   "outputs": model.output_specs})
    while (frame := channel.read()) is not None:
        try:
            head, chunks = answer(model, *frame)
        except Exception as error:
            mine = isinstance(error, CLIENT_ERRORS) or type(error).__name__ == "MlflowException"
            head, chunks = {"error": sentence(error), "client": mine}, []
        channel.write(head, chunks)


if __name__ == "__main__":
    main()
