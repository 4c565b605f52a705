"""`python -m genart_hub.ui.sprites [NAME ...]` draws the sheets again; without a name, those of all bundled models."""

import sys

from genart_hub.ui import sprites

if __name__ == "__main__":
    for sprite in sprites.write(sys.argv[1:]):
        print(f"{sprite.file.name}: {sprite.frames} frames of {sprite.pictures} pictures, {sprite.file.stat().st_size:,} bytes")
