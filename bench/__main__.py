"""`python -m bench [NAME ..] [--quick]` measures; `python -m bench report [--check]` makes the documents' tables."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

from bench import accuracy, detect, load, report, results, startup, training
from bench.bed import Bed
from relook.demo.server import isolate

BENCHES: dict[str, Callable[[Bed], results.Result]] = {
    "detect": detect.measure,
    "training": training.measure,
    "startup": startup.measure,
    "load": load.measure,
    "accuracy": lambda bed: accuracy.measure(),
}
"""In this order: what depends on a quiet machine comes before what makes it hot."""


def main() -> int:
    options = _options()
    if options.names == ["report"]:
        return report.main(check=options.check)
    clean = isolate(os.environ)
    os.environ.clear()
    os.environ.update(clean)  # the user's own AWS settings must not reach a server of ours
    with Bed(options.quick) as bed:
        for name in options.names or BENCHES:
            path = results.write(name, BENCHES[name](bed), options.quick)
            print(report.section(report.read(path)), end="\n\n")
            print(f"written to {path}", file=sys.stderr)
    if not options.quick:
        print("to bring the documents up to date: python -m bench report", file=sys.stderr)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Relook on this machine.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHES)} (all), or report alone")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="few samples of small drawn sets, written to .cache/bench: no figures to quote",
    )
    parser.add_argument(
        "--check", action="store_true", help="with report: only say whether the documents are up to date"
    )
    options = parser.parse_args()
    for name in options.names:
        if name not in BENCHES and options.names != ["report"]:
            parser.error(f"there is no bench {name!r}; there are {', '.join(BENCHES)}, and report, which stands alone")
    if options.check and options.names != ["report"]:
        parser.error("--check goes with report")
    return options


if __name__ == "__main__":
    sys.exit(main())
