"""The training report as a page: the figures, what the training says, and the test images with their heat maps.

One file that needs no other, for it is fetched out of a bucket and opened from a disk.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

from relook.core.evaluation import Evaluation
from relook.core.manifest import Label
from relook.vision.samples import Shown, TrainingResult

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; } th, td { text-align: left; padding: .2rem 1.2rem .2rem 0; }
td { font-variant-numeric: tabular-nums; }
ul { padding-left: 1.2rem; } .images { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; padding: .6rem; border: 1px solid #8886; border-radius: .4rem; max-width: 100%; }
figure.wrong { border: 2px solid #c22; } figure img { width: 17rem; max-width: 48%; }
figcaption { max-width: 35rem; overflow-wrap: anywhere; }
"""
_EXPLAINED = (
    "Left the image, right the same with its heat map: the farther from normal, the redder; all on one scale. "
    "Images judged wrong come first, then those whose score is nearest to the threshold."
)


def report_page(evaluation: Evaluation, result: TrainingResult) -> bytes:
    """HTML in UTF-8."""
    model = evaluation.model
    title = escape(f"Model {model.version} of project {model.project}")
    counts = f"Trained on {evaluation.training_images} images, tested on {evaluation.testing_images}."
    lines = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{title}</h1><p>{escape(str(model))}</p><p>{counts}</p>",
        *_figures(result),
        "<h2>What the training says</h2><ul>",
        *(f"<li>{escape(note)}</li>" for note in result.notes),
        "</ul>",
        *_images(result.shown, len(result.tests)),
        "</body></html>",
    ]
    return "\n".join(lines).encode()


def _figures(result: TrainingResult) -> Iterable[str]:
    metrics = result.metrics
    named = {
        "F1": metrics.f1,
        "Precision": metrics.precision,
        "Recall": metrics.recall,
        "AUROC": metrics.roc_auc,
        "Average precision": metrics.average_precision,
        **{f"Mean IoU of {escape(defect.name)}": defect.average_iou for defect in metrics.classes},
    }
    yield "<h2>Figures on the test images</h2><table>"
    for name, value in named.items():
        yield f"<tr><th>{name}</th><td>{'cannot be told' if value is None else f'{value:.3f}'}</td></tr>"
    yield "</table>"


def _images(shown: Sequence[Shown], tests: int) -> Iterable[str]:
    if not shown:
        return
    some = f" {len(shown)} of {tests} are shown." if len(shown) < tests else ""
    yield f'<h2>Test images</h2><p>{_EXPLAINED}{some}</p><div class="images">'
    for each in shown:
        result = each.result
        prediction = result.prediction
        said = (
            f"labelled {_label(result.anomalous)}, judged {_label(prediction.anomalous)}: "
            f"score {prediction.score:.4f}, threshold {prediction.threshold:.4f}"
        )
        name = escape(result.key)
        yield f"<figure{'' if result.right else ' class=wrong'}>"
        yield f'<img src="{_data(each.picture)}" alt="{name}"> <img src="{_data(each.heat)}" alt="its heat map">'
        yield f"<figcaption><b>{name}</b><br>{said}</figcaption></figure>"
    yield "</div>"


def _label(anomalous: bool) -> str:
    return (Label.ANOMALY if anomalous else Label.NORMAL).value


def _data(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
