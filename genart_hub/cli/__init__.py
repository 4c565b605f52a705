"""genart-hub: everything of the package from a terminal."""

from genart_hub.cli.main import main

__all__ = ["main"]
