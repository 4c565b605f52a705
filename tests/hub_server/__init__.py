"""A Hugging Face Hub on loopback, for the unmodified huggingface_hub client: nothing leaves 127.0.0.1.

    with HubServer(tokens={"write-token": "me", "read-token": User("me", role="read")}) as hub:
        api = HfApi(endpoint=hub.url, token="write-token")

What the client asks, and what it needs in the answer, was read in huggingface_hub 2.4.0. Xet is not served: the client has to
run with HF_HUB_DISABLE_XET=1, which `HubServer.environment` (another process) and `patched_client` (this one) set.
"""

from . import routes as routes
from . import transfers as transfers
from .client import patched_client as patched_client
from .repos import User as User
from .repos import files_of as files_of
from .server import HubServer as HubServer
