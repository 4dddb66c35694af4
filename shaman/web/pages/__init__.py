"""Pages for people: one room for each first word of a path."""

from shaman.web.pages import home, matrix, static

blueprints = (home.blueprint, matrix.blueprint, static.blueprint)
