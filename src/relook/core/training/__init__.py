"""Pure rules of training jobs: states, inputs, records, metrics, hyperparameters.

TrainingInputError    data or parameters that cannot be trained on; the message is for the user
"""

from __future__ import annotations


class TrainingInputError(Exception):
    """The job's data or parameters cannot be used; the message names the thing and the rule."""
