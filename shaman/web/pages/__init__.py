"""Pages for people: one room for each first word of a path."""

from shaman.web.pages import builds, find, home, matrix, static

blueprints = (home.blueprint, matrix.blueprint, builds.blueprint, find.blueprint, static.blueprint)
