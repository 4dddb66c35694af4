"""The wiring: which rooms make up the application."""

import asyncio
from collections.abc import AsyncGenerator
from functools import partial

from werkzeug.exceptions import HTTPException

from shaman.config import Config
from shaman.distros import Releases
from shaman.errors import ShamanError
from shaman.logs import Lines
from shaman.removal import Retention
from shaman.rotation import Rotation
from shaman.sender import Sender
from shaman.store import Store
from shaman.tasks import end_task
from shaman.web import api, docs, events, heads, health, metrics, nodes, pages, paths, problems, repos, search
from shaman.web.cache import AnswerCache
from shaman.web.context import Shaman
from shaman.web.counts import Counts
from shaman.web.drain import answer_after_body
from shaman.web.logins import FailedLogins
from shaman.web.telemetry import Telemetry, note_route
from shaman.web.waiting import Waiting

BODY_LIMIT = 1024 * 1024
"""Bytes of a body: a repo with a generous `extra` has a few thousand."""

BODY_WAIT = 20
"""Seconds for a whole body to arrive; builders send theirs at once, and a slow sender holds a connection."""


def create_app(config: Config, store: Store, releases: Releases, lines: Lines | None = None) -> Shaman:
    """Return the application that serves `store`. It closes the store when it ends. Requests are told to `lines`."""
    app = Shaman("shaman", static_folder=None)
    app.settings, app.store, app.releases = config, store, releases
    app.failed_logins = FailedLogins()
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT
    app.config["BODY_TIMEOUT"] = BODY_WAIT
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.url_map.converters |= {"name": paths.NameConverter, "tail": paths.TailConverter}
    for room in (repos, search, nodes, health, events, metrics, docs, api, pages):
        app.register_blueprint(room.blueprint)
    app.before_request(note_route)
    app.before_request(heads.check_head)
    app.before_request(health.check_schema)
    app.register_error_handler(ShamanError, problems.handle_shaman_error)
    app.register_error_handler(HTTPException, problems.handle_http_error)
    app.register_error_handler(Exception, problems.handle_bug)
    app.rotation = Rotation(store.nodes, store.rights, config)
    for duty in (app.rotation.duty, Retention(store, config).duty, Sender(store, config).duty):
        if duty:
            app.before_serving(duty.start)
            app.after_serving(duty.stop)
    app.after_serving(store.close)
    outer = paths.keep_slashes(answer_after_body(app.asgi_app))
    answers = None
    if config.cache.megabytes:
        outer = answers = AnswerCache(outer, store.wakeups, config.cache.megabytes * 1024 * 1024)
    app.waiting = Waiting(outer, store.wakeups, config.server.longest_wait)
    app.counts = Counts(store, app.failed_logins, answers, app.waiting, lines)
    told = lines if config.log.requests else None
    outer = Telemetry(app.waiting, app.counts.count, told, config.server.trusted_proxies)
    app.while_serving(partial(_hear_changes, store))
    app.while_serving(app.counts.tell_on)
    app.asgi_app = outer  # type: ignore[assignment,method-assign]
    return app


async def _hear_changes(store: Store) -> AsyncGenerator[None, None]:
    """Hear of what other processes write while the application serves."""
    listening = asyncio.create_task(store.wakeups.listen())
    yield
    await end_task(listening)
