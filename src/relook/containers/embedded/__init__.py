"""Containers without a container engine: our own handler host, in a bubblewrap sandbox (docs/operating.md)."""
