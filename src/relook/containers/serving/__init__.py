"""The serving contract of SageMaker's containers (/ping, /invocations, /models) over any driver."""
