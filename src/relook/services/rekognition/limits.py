"""What an account may have; the defaults are those of the original."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Per account and region: projects, trainings at once and running models. Per project: versions and policies.

    Per model: inference units. Per resource: tags. Per dataset: images (a row of its manifest each) and labels.
    """

    projects: int = 100
    versions: int = 100
    trainings: int = 2
    running: int = 2
    inference_units: int = 5
    policies: int = 5
    tags: int = 50
    images: int = 250_000
    labels: int = 250
