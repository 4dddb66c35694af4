"""The application as the handlers see it."""

from typing import cast

from quart import Quart, current_app

from shaman.config import Config
from shaman.distros import Releases
from shaman.rotation import Rotation
from shaman.store import Store
from shaman.web.connection import Connection


class Shaman(Quart):
    """A Quart application with what the handlers need beside it."""

    asgi_http_class = Connection

    store: Store
    rotation: Rotation
    settings: Config
    releases: Releases


def shaman() -> Shaman:
    """Return the application that serves the current request."""
    return cast("Shaman", current_app)
