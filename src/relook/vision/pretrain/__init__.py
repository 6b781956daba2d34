"""The backbone of our own: pictures that are generated, a student network, and its distillation from a teacher.

Only `distill` and `student` need torch (the extra `train`); training, serving and the server import nothing of it.
"""
