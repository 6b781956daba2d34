"""Looking at the data before anything is learned from it: shortcuts, copies, wrong labels, unusable images."""

from __future__ import annotations

from relook.vision.check.report import Finding, Kind, Probe, Report, Severity
from relook.vision.check.run import check

__all__ = ["Finding", "Kind", "Probe", "Report", "Severity", "check"]
