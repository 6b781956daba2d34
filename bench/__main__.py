"""`python -m bench [NAME ..] [--quick]` measures; `python -m bench report [--check]` makes the documents' tables."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from bench import report, results

BENCHES = report.ORDER
"""Modules of this package with `measure(bed) -> Result`, in the order in which they run and are reported."""

QUIET = 0.5
"""The load average above which times are worth little."""
_ONLY = "with benches that go in steps: only those with this word in their name; written to .cache/bench"


def main() -> int:
    options = _options()
    if options.names == ["report"]:
        return report.main(check=options.check)
    return measure(options.names, options.quick, options.only, options.cap)


def measure(names: Sequence[str], quick: bool, only: str = "", cap: int | None = None) -> int:
    """Run the benches named, or all that this machine can run; the exit code."""
    from bench.bed import Bed  # only now: a report needs nothing but the result files
    from relook.demo.server import isolate

    busy = os.getloadavg()[0]
    if busy > QUIET:
        print(f"this machine is busy (load average {busy:.1f}): do not quote times measured now", file=sys.stderr)
    clean = isolate(os.environ)
    os.environ.clear()
    os.environ.update(clean)  # the user's own AWS settings must not reach a server of ours
    with Bed(quick, only=only, cap=cap) as bed:
        for name in names or BENCHES:
            try:
                result = importlib.import_module(f"bench.{name}").measure(bed)
            except results.Unavailable as error:
                print(f"{name} left out: {error}", file=sys.stderr)
                if names:
                    return 1
                continue
            path = results.write(name, result, quick, only, cap)
            print(report.section(report.read(path)), end="\n\n")
            print(f"written to {path}", file=sys.stderr)
    if not (quick or only):
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
    parser.add_argument("--only", default="", metavar="WORD", help=_ONLY)
    parser.add_argument("--cap", type=int, metavar="IMAGES", help="with scaling: the most images")
    parser.add_argument(
        "--check", action="store_true", help="with report: only say whether the documents are up to date"
    )
    options = parser.parse_args()
    for name in options.names:
        if name not in BENCHES and options.names != ["report"]:
            parser.error(f"there is no bench {name!r}; there are {', '.join(BENCHES)}, and report, which stands alone")
    stepped = [name for name in options.names if name in report.STEPPED]
    if options.only and (not stepped or stepped != options.names):
        parser.error(f"--only goes with {', '.join(report.STEPPED)}, which go in steps")
    if options.cap is not None and (options.names != ["scaling"] or options.cap < 1):
        parser.error("--cap goes with scaling alone, and is at least 1")
    if options.check and options.names != ["report"]:
        parser.error("--check goes with report")
    return options


if __name__ == "__main__":
    sys.exit(main())
