"""Trains a few models on the wine data set and records them. An ordinary MLflow script: nothing of modelkit in it.

    MLFLOW_TRACKING_URI=http://127.0.0.1:7070 python train.py
"""
import logging
import os
import tempfile
import warnings

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
warnings.filterwarnings("ignore")
logging.getLogger("mlflow").setLevel(logging.ERROR)

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay, accuracy_score, f1_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skl2onnx import to_onnx

REQUIREMENTS = os.path.join(os.path.dirname(__file__), "requirements.txt")
TRUSTED = ["sklearn.tree._tree.Tree"]  # our own forest, so its node storage may be loaded

X, y = load_wine(return_X_y=True)
X = X.astype(np.float32)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=7, stratify=y)


def as_onnx(model):
    # zipmap off: plain tensors out, which every runtime can return.
    made = to_onnx(model, X_train[:1], options={"zipmap": False}, target_opset=17)
    made.ir_version = min(made.ir_version, 10)
    return made


def train(name, model, params):
    with mlflow.start_run(run_name=name) as run:
        mlflow.log_params({"model": type(model[-1]).__name__, **params})
        # How the model does on growing parts of the training data: a curve to look at.
        for step, share in enumerate((0.2, 0.4, 0.6, 0.8, 1.0)):
            part = int(len(X_train) * share)
            model.fit(X_train[:part], y_train[:part])
            chances = model.predict_proba(X_test)
            mlflow.log_metrics({"accuracy": accuracy_score(y_test, chances.argmax(1)),
                                "log_loss": log_loss(y_test, chances, labels=[0, 1, 2])}, step=step)
        guess = model.predict(X_test)
        mlflow.log_metric("f1", f1_score(y_test, guess, average="macro"))
        figure = ConfusionMatrixDisplay.from_predictions(y_test, guess).figure_
        mlflow.log_figure(figure, "confusion.png")
        plt.close(figure)
        signature = infer_signature(X_test[:5], guess[:5])
        made = as_onnx(model)
        onnx_model = mlflow.onnx.log_model(made, name="onnx", signature=signature)
        sklearn_model = mlflow.sklearn.log_model(model, name="sklearn", signature=signature,
                                                 pip_requirements=REQUIREMENTS, skops_trusted_types=TRUSTED)
        print(f"  {name:22} accuracy {accuracy_score(y_test, guess):.3f}")
        return run.info.run_id, onnx_model.model_uri, sklearn_model.model_uri


def main():
    mlflow.set_experiment("wine")
    runs = [
        train("logistic-c0.1", make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500)), {"C": 0.1}),
        train("logistic-c10", make_pipeline(StandardScaler(), LogisticRegression(C=10, max_iter=500)), {"C": 10}),
        train("forest-50", make_pipeline(StandardScaler(), RandomForestClassifier(50, random_state=7)), {"trees": 50}),
    ]
    client = MlflowClient()
    first = mlflow.register_model(runs[0][1], "wine")
    client.set_registered_model_alias("wine", "champion", first.version)
    second = mlflow.register_model(runs[2][1], "wine")
    client.set_registered_model_alias("wine", "challenger", second.version)
    mlflow.register_model(runs[0][2], "wine-sklearn")
    print(f"  registered wine versions {first.version} (champion) and {second.version} (challenger), and wine-sklearn")
    np.save(os.path.join(os.environ.get("QUICKSTART_OUT", tempfile.gettempdir()), "wine_rows.npy"), X_test[:8])


if __name__ == "__main__":
    main()
