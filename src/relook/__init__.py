"""Relook: a self-hosted machine-vision service that speaks the AWS APIs people already call."""

from __future__ import annotations

__version__ = "0.1.0"
