"""The HTML report: one file with everything in it, for light and dark screens, wide and narrow."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

from PIL import Image

from relook.demo.flow import describe
from relook.demo.results import Area, Run, Seen, shown, tally

THUMBNAIL = 360
"""Longest side of the pictures in the report, in pixels."""


def write_page(run: Run, path: Path) -> None:
    """Write the report, its folder too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(run), "utf-8")


def page(run: Run) -> str:
    """The report as HTML that refers to nothing outside itself."""
    template = Template(resources.files("relook.demo").joinpath("report.html").read_text("utf-8"))
    found = tally(run.seen)
    verdict = (
        f"{found.correct} of {found.total} right: {found.hits} anomalies found, {found.misses} missed, "
        f"{found.false_alarms} false alarms, {found.correct_normal} normal pictures passed."
    )
    beside = ", beside the same picture under its mask" if run.segmentation else ""
    return template.substitute(
        title="Relook: from pictures to found defects",
        subtitle=escape(f"Project {run.project}, model {run.version}, on {run.plan.source}."),
        verdict=escape(verdict),
        figures=_figures(run),
        trained=_trained(run),
        testing=escape(str(run.details.get("NumberOfTestingImages", "the"))),
        metrics=_metrics(run),
        beside=beside,
        pictures="".join(_card(item) for item in run.seen),
    )


def _figures(run: Run) -> str:
    found = tally(run.seen)
    middle = sorted(item.seconds for item in run.seen)[len(run.seen) // 2] if run.seen else 0.0
    shown = [
        (f"{found.correct}/{found.total}", "right"),
        (f"{found.f1:.2f}", "F1"),
        (f"{found.precision:.2f}", "precision"),
        (f"{found.recall:.2f}", "recall"),
        (f"{run.train_seconds:.0f} s", "training"),
        (f"{run.start_seconds:.1f} s", "to start the model"),
        (f"{middle * 1000:.0f} ms", "a picture (median)"),
    ]
    return "".join(f"<li><b>{escape(value)}</b>{escape(what)}</li>" for value, what in shown)


def _trained(run: Run) -> str:
    sizes = sorted({picture.size for picture in run.plan.train})
    pixels = ", ".join(f"{width}x{height}" for width, height in sizes[:4]) + (" and others" if len(sizes) > 4 else "")
    lines = [f"Source: {run.plan.source}.", describe(run.plan), f"Pixels: {pixels}.", *run.plan.notes, *run.notes]
    if run.message:
        lines.append(f"The service says: {run.message}")
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _metrics(run: Run) -> str:
    scalars = [(name, value) for name, value in run.metrics.items() if isinstance(value, int | float)]
    whole = _table("Whole pictures", ["Metric", "Value"], ([name, f"{value:.3f}"] for name, value in scalars))
    labels = run.metrics.get("PixelAnomalyClassMetrics") or []
    if not labels:
        return whole
    columns = ["ClassName", "Precision", "Recall", "F1Score", "AIOU"]
    rows = ([str(row["ClassName"]), *(shown(row[name]) for name in columns[1:])] for row in labels)
    return whole + _table("Pixels, by label", ["Label", "Precision", "Recall", "F1", "Average IoU"], rows)


def _table(caption: str, head: list[str], rows: Iterable[list[str]]) -> str:
    titles = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    caption = f"<caption>{escape(caption)}</caption>"
    return f"<table>{caption}<thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"


def _card(item: Seen) -> str:
    word, style = ("right", "right") if item.correct else ("wrong", "wrong-word")
    text = f"predicted {item.prediction}, truth {item.picture.truth}"
    areas = "".join(f"<p>{_area(area)}</p>" for area in item.areas)
    if item.mask is None:
        areas = '<p class="soft">A classification model gives no mask.</p>'
    answer = f'<p><span class="{style}">{word}</span>: {escape(text)}, confidence {item.confidence:.2f}</p>'
    words = f'<div class="text"><h3>{escape(item.picture.name)}</h3>{answer}{areas}</div>'
    return f'<article class="{word}-answer">{_pair(item)}{words}</article>'


def _area(area: Area) -> str:
    swatch = f'<span class="swatch" style="background:{escape(area.colour)}"></span>'
    return f"{swatch} {escape(area.name)}: {area.share:.2%} of the picture"


def _pair(item: Seen) -> str:
    name = item.picture.name
    with Image.open(io.BytesIO(item.image)) as image:
        original = image.convert("RGB")
    first = _image(original, f"{name}: the picture, in truth {item.picture.truth}")
    if item.mask is None:
        return f'<div class="pair one">{first}</div>'
    with Image.open(io.BytesIO(item.mask)) as mask:
        blended = Image.blend(original, mask.convert("RGB"), 0.5)
    marked = ", ".join(f"{area.name} on {area.share:.2%}" for area in item.areas) or "nothing"
    return f'<div class="pair">{first}{_image(blended, f"{name}: under its mask, which marks {marked}")}</div>'


def _image(image: Image.Image, alternative: str) -> str:
    small = image.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=80, optimize=True)
    data = base64.b64encode(out.getvalue()).decode()
    size = f'width="{small.width}" height="{small.height}"'
    return f'<img src="data:image/jpeg;base64,{data}" {size} alt="{escape(alternative, quote=True)}" loading="lazy">'
