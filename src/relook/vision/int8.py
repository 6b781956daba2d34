"""int8: a backbone's convolutions quantised after its training, by ONNX Runtime's quantisation tools.

Static quantisation (Jacob et al., 2018) in the QDQ form: weights per channel, activations in 8 bits of a range that is
calibrated with training images. OpenVINO reads the result as it is, so ONNX Runtime is needed for training alone; and
since training takes its features from the quantised backbone, its scores are those of serving (docs/adr/0004-int8.md).
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from relook.vision import graph, runtime
from relook.vision.backbones import Backbone
from relook.vision.graph_names import IMAGE, numbered
from relook.vision.images import Pixels, Size, resize, working_size
from relook.vision.samples import Sample, TrainingError
from relook.vision.survey import pixels_of

IMAGES = 8
"""Normal images that say how large activations get: their histograms hardly change with more."""
LONG_SIDE = 384
"""Pixels; the calibration holds every activation of every image, some 50 MB for each of this size."""
PERCENTILE = 99.99
"""Of the activations are in range; the few beyond are cut off, for the sake of finer steps for all others."""
OPERATORS = ("Conv", "Relu", "Add", "MaxPool")
"""Convolutions, and what lies between them, so that values need not go back to float32 in between."""

Floats = npt.NDArray[np.float32]


def lacking() -> str | None:
    """Why no int8 model can be trained here, and the fix; None if one can."""
    if why := runtime.lacks(runtime.Precision.INT8):
        return why
    if find_spec("onnxruntime") is None:
        return "precision int8 needs ONNX Runtime to calibrate models: pip install 'relook[int8]', or take another"
    return None


def quantised(
    backbone: Backbone, training: Sequence[Sample], seed: int, pixels: Callable[[Sample], Pixels] = pixels_of
) -> Backbone:
    """The backbone with its convolutions in int8, calibrated with some of `training` as `pixels` shows them; the same
    graph for the same seed.

    Raises TrainingError where int8 cannot be had, or the backbone cannot be brought to it.
    """
    if why := lacking():
        raise TrainingError(why)
    from relook.vision.quiet_onnxruntime import ort

    chosen = _chosen(training, seed)
    tensors = _inputs([pixels(sample) for sample in chosen])
    try:
        onnx = _quantise(graph.prepared(backbone).SerializeToString(), tensors)
    except Exception as error:  # its errors have no class in common
        advice = "take another precision, or other weights (relook weights list)"
        raise TrainingError(f"{backbone.name} cannot be brought to int8: {error}; {advice}") from error
    how = {
        "weights_sha256": backbone.sha256,
        "calibrated_with": [sample.key for sample in chosen],
        "long_side": LONG_SIDE,
        "percentile": PERCENTILE,
        "onnxruntime": ort.__version__,
    }
    return replace(backbone, onnx=onnx, origin=f"{backbone.origin}; convolutions in int8", int8=how)


def _chosen(training: Sequence[Sample], seed: int) -> list[Sample]:
    normal = [sample for sample in training if not sample.anomalous] or list(training)
    places = np.random.default_rng([seed, 11]).permutation(len(normal))[:IMAGES]
    return [normal[at] for at in np.sort(places)]


def _inputs(images: Sequence[Pixels]) -> Iterator[Floats]:
    """What the backbone is given of each, made by the very nodes that serve."""
    size = working_size(Size(*images[0].shape[:2]), LONG_SIDE)
    model = runtime.read(graph.input_model(size).SerializeToString())
    request = runtime.compile_model(model, runtime.Precision.F32).create_infer_request()
    for pixels in images:
        request.infer({numbered(IMAGE, 0): resize(pixels, size)[None]})
        yield request.get_output_tensor(0).data.copy()


def _quantise(onnx: bytes, inputs: Iterator[Floats]) -> bytes:
    from relook.vision.quiet_onnxruntime import ort  # isort: skip  (silences what follows)
    from onnxruntime import quantization as tools
    from onnxruntime.quantization.shape_inference import quant_pre_process

    source = ort.InferenceSession(onnx, providers=["CPUExecutionProvider"]).get_inputs()[0].name

    class Reader(tools.CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, Floats] | None:
            tensor = next(inputs, None)
            return None if tensor is None else {source: tensor}

    with tempfile.TemporaryDirectory(prefix="relook-int8-") as name, contextlib.redirect_stdout(io.StringIO()):
        given, ready, done = (Path(name) / each for each in ("given.onnx", "ready.onnx", "done.onnx"))
        given.write_bytes(onnx)
        quant_pre_process(given, ready, skip_optimization=True, skip_symbolic_shape=True)
        tools.quantize_static(
            ready,
            done,
            Reader(),
            quant_format=tools.QuantFormat.QDQ,
            op_types_to_quantize=list(OPERATORS),
            per_channel=True,
            activation_type=tools.QuantType.QUInt8,
            weight_type=tools.QuantType.QInt8,
            calibrate_method=tools.CalibrationMethod.Percentile,
            extra_options={"CalibPercentile": PERCENTILE},
        )
        return done.read_bytes()
