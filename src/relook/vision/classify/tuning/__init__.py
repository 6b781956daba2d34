"""Fine-tuning: the later convolutions of a backbone learn together with a classifier's head.

`choice` decides by held-out images whether that is better than what the backbone tells as it is. What computes needs
PyTorch, as detectors do, and is loaded when it does.
"""
