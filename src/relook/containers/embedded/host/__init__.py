"""The handler host: what runs inside the sandbox. It serves models with the handlers of SageMaker's inference toolkit.

Starts from nothing: whatever is heavy is imported by the worker, once it is known what to load.
"""
