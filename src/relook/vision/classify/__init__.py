"""Classifiers of the user's own labels, one label an image or several: frozen features, pooled, and a linear head.

`train.train` learns, `predicting.Classifier` answers. What is learned stands whole in the graph: pixels in, scores out.
"""

from __future__ import annotations
