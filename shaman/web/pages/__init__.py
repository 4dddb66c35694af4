"""Pages for people: one room for each first word of a path."""

from quart import Blueprint

from shaman.web.pages import builds, find, home, matrix, static

blueprint = Blueprint("pages", __name__)
for room in (home, matrix, builds, find, static):
    blueprint.register_blueprint(room.blueprint)
