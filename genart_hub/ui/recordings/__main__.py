"""`python -m genart_hub.ui.recordings PICTURES [NAME ...]` trains and records anew; without a name, all."""

import sys

from genart_hub.ui.recordings import NAMES
from genart_hub.ui.recordings.record import record, write

if __name__ == "__main__":
    for name in sys.argv[2:] or NAMES:
        recording, picture = record(name, sys.argv[1])
        write(recording, picture)
        size = recording.file.stat().st_size
        print(f"{recording.file.name}: {len(recording.steps)} moments of {recording.pictures} pictures, {size:,} bytes")
