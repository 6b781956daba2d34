"""`python -m relook`."""

from __future__ import annotations

from relook.cli import main

if __name__ == "__main__":
    main(prog_name="relook")
