"""How good a model of the user's own labels is: thresholds, rates, average precision, curves, confusion, intervals."""

from __future__ import annotations

from relook.vision.evaluation.classification import evaluate_classifier
from relook.vision.evaluation.detection import evaluate_detector
from relook.vision.evaluation.figures import Evaluation, LabelFigures, as_record

__all__ = ["Evaluation", "LabelFigures", "as_record", "evaluate_classifier", "evaluate_detector"]
