"""Containers by whatever speaks the Docker Engine API on a socket of this machine: Docker, or `podman system service`.

One driver for both: `EngineDriver` in `driver`. What is asked for and not granted is an error, never a container that
runs in another way than was asked.
"""
