"""No defaults but the codecs: the model brings model_fn and predict_fn (or transform_fn) itself."""

from __future__ import annotations
