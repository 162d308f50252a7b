"""The server that one writes in ten lines, to compare with: ``predict`` of each request alone.

``python tests/plain_server.py CHECKPOINT PORT`` serves ``POST /predict``.
"""

import sys
import warnings
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI

import gru_suite


def create_app(checkpoint: str) -> FastAPI:
    """Return an application with one operation."""
    app, model = FastAPI(), gru_suite.load(checkpoint)
    warnings.simplefilter("ignore")

    @app.post("/predict")
    def predict(body: dict[str, Any]) -> Any:
        # In FastAPI's threads, as any `def` operation.
        if model.name == "forecasting":
            import pandas as pd

            found = model.predict(pd.DataFrame(body["input"]["columns"])).to_frame()
            return found.astype({"time": str}).to_dict("list") if "time" in found else found.shape
        each = model.predict([body["input"]])[0]
        return {"label": each.label, "probability": each.probability}

    return app


if __name__ == "__main__":
    torch.set_num_threads(1)
    uvicorn.run(create_app(sys.argv[1]), port=int(sys.argv[2]), log_level="warning")
