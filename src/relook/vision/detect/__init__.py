"""Object detectors. `network`, `assigning` and `training` need PyTorch and are imported by `train` alone, in the job's
process; a model that is trained needs it no more."""

from __future__ import annotations
