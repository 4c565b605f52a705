"""What the tests of the data share."""

import pytest

from genart_hub import images
from genart_hub.data import decoded

# ---- decoding ----


@pytest.fixture
def opened(monkeypatch):
    """The names of the pictures that were opened."""
    names, real = [], images.open_picture
    monkeypatch.setattr(decoded, "open_picture", lambda file, name: (names.append(name), real(file, name))[1])
    return names
