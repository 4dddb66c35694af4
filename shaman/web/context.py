"""The application as the handlers see it."""

from functools import cached_property
from typing import cast

from quart import Quart, Request, Response, current_app
from quart.wrappers.base import BaseRequestWebsocket
from werkzeug.routing import MapAdapter

from shaman.config import Config
from shaman.distros import Releases
from shaman.rotation import Rotation
from shaman.store import Store
from shaman.web.connection import Connection
from shaman.web.counts import Counts
from shaman.web.logins import FailedLogins
from shaman.web.waiting import Waiting


class Lookup(Request):
    """A request that works out once to which blueprints it belongs; the framework asks three times."""

    @cached_property
    def blueprints(self) -> list[str]:
        """Return the names of the blueprints, the innermost first."""
        return super().blueprints


class Bare(Response):
    """An answer that is no HTML unless it says so: who has no body, such as OPTIONS, tells of none."""

    default_mimetype = None  # type: ignore[assignment]  # as its class reads it, though not as it is typed


class Shaman(Quart):
    """A Quart application with what the handlers need beside it."""

    asgi_http_class = Connection
    request_class = Lookup
    response_class = Bare

    store: Store
    rotation: Rotation
    failed_logins: FailedLogins
    settings: Config
    releases: Releases
    waiting: Waiting
    counts: Counts

    def create_url_adapter(self, request: BaseRequestWebsocket | None) -> MapAdapter | None:
        """Match by path alone: no route depends on the host, so nobody need take it apart."""
        if request is None:
            return super().create_url_adapter(request)
        query = request.query_string.decode("latin-1")
        return self.url_map.bind("", request.root_path, "", request.scheme, request.method, request.path, query)


def shaman() -> Shaman:
    """Return the application that serves the current request."""
    return cast("Shaman", current_app)
