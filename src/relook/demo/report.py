"""The table at the end, in the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from relook.demo.results import Run, Seen, shown, tally


def print_results(run: Run, console: Console) -> None:
    """Metrics of the training, then one line for each unseen picture, then the totals."""
    scalars = {name: value for name, value in run.metrics.items() if isinstance(value, int | float)}
    console.print("\n[bold]The service's own evaluation[/bold]")
    console.print("  " + "  ".join(f"{name} {value:.3f}" for name, value in scalars.items()))
    for row in run.metrics.get("PixelAnomalyClassMetrics") or ():
        overlap = f"F1 {shown(row['F1Score'])}, average IoU {shown(row['AIOU'])} (pixels)"
        console.print(f"  {escape(row['ClassName'])}: {overlap}")
    console.print()
    console.print(results_table(run))
    found = tally(run.seen)
    console.print(
        f"[bold]{found.correct} of {found.total} right[/bold]: {found.hits} anomalies found, {found.misses} missed, "
        f"{found.false_alarms} false alarms, {found.correct_normal} normal passed.  "
        f"[bold]F1 {found.f1:.3f}[/bold], precision {found.precision:.3f}, recall {found.recall:.3f}"
    )


_LONGEST_UNBROKEN = 32
"""Longer names are folded, so that a terminal of 80 columns has room for the rest."""


def results_table(run: Run) -> Table:
    """Image, truth, prediction, confidence, and the area of each label in per cent."""
    title = f"{len(run.seen)} pictures the model had not seen"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    longest = max((len(item.picture.name) for item in run.seen), default=0)
    table.add_column("image", overflow="fold", no_wrap=longest <= _LONGEST_UNBROKEN)
    for name in ("truth", "prediction", "confidence"):
        table.add_column(name, justify="right" if name == "confidence" else "left")
    table.add_column("area" if run.segmentation else "no masks")
    table.add_column("")
    for item in run.seen:
        verdict = "[green]right[/green]" if item.correct else "[bold red]WRONG[/bold red]"
        confidence = f"{item.confidence:.3f}"
        table.add_row(
            escape(item.picture.name), item.picture.truth.value, item.prediction.value, confidence, areas(item), verdict
        )
    return table


def areas(item: Seen) -> str:
    """`scratch 0.42 %`, label by label; a dash where nothing is marked."""
    if item.mask is None:
        return ""
    return ", ".join(f"{escape(area.name)} {area.share * 100:.2f} %" for area in item.areas) or "-"
