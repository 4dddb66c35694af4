"""The client of a registry, for Python: `async with Client(url) as client: await client.latest("ceph", "main")`.

Needs neither the web framework nor the store: without an extra the package is this, and the commands that ask a server.
"""

from shaman.client.client import Client, Filters
from shaman.client.records import Event, Repo
from shaman.client.settings import Settings, load_settings
from shaman.errors import Invalid, NotFound, NotReady, ShamanError, TooManyTries, Unauthorized, Unavailable
from shaman.models import PostedBuild, PostedRepo

__all__ = [
    "Client",
    "Event",
    "Filters",
    "Invalid",
    "NotFound",
    "NotReady",
    "PostedBuild",
    "PostedRepo",
    "Repo",
    "Settings",
    "ShamanError",
    "TooManyTries",
    "Unauthorized",
    "Unavailable",
    "load_settings",
]
