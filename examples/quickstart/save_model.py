"""Saves a small scikit-learn model into a folder, with the quickstart's requirements: save_model.py FOLDER"""
import os
import sys

import mlflow
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X, y = load_wine(return_X_y=True)
model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(X, y)
mlflow.sklearn.save_model(model, sys.argv[1], pip_requirements=os.path.join(os.path.dirname(__file__), "requirements.txt"))
