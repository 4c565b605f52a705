"""How a refusal is read."""

import pytest

from genart_hub.errors import GenartError


def code_of(call) -> str:
    with pytest.raises(GenartError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return caught.value.code
