"""The sheets that the page plays, as it asks for them."""

import re

from starlette.responses import FileResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from genart_hub.ui import sprites

SHEET = re.compile(r"/sprites/([\w.-]{1,100})\.webp")
KEPT = {"cache-control": "public, max-age=31536000, immutable"}  # its address changes with the weights that drew it


class Sheets:
    """ASGI middleware: /sprites/NAME.webp is the sheet of that name."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = SHEET.fullmatch(scope.get("path", "").removeprefix(scope.get("root_path", "").rstrip("/")))
        file = sprites.FOLDER / f"{asked[1]}.webp" if asked and scope["type"] == "http" and scope["method"] in ("GET", "HEAD") else None
        await (FileResponse(file, headers=KEPT) if file and file.is_file() else self.app)(scope, receive, send)
