"""The plan of a training, as the vision layer makes it."""

from __future__ import annotations

from relook.vision.plan import Plan, PlanError, make_plan

__all__ = ["Plan", "PlanError", "make_plan"]
