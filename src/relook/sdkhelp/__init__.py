"""Files for client environments: `relook sagemaker env` puts this folder on their PYTHONPATH.

The server imports nothing of it, and nothing in it imports Relook, which need not be installed there.
"""

from __future__ import annotations
