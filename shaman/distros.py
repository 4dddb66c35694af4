"""What distros, their versions and archs are called: every spelling of one thing has one canonical form."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

from msgspec import Struct

from shaman.errors import Invalid

Table = Mapping[str, Mapping[str, str]]
"""Distro -> version number -> codename; a release without a number has its codename in both places."""

TERMS_LIMIT = 64
"""Terms in one `distros=`: several times the cells any project is built for."""

REMEMBERED = 4096
"""Names whose canonical form is remembered: more than all that are in use."""

_SHOWN_LIMIT = 50
"""Characters of a malformed term that an error repeats."""

_ARCH_ALIASES = {"aarch64": "arm64", "amd64": "x86_64"}

_POINT_RELEASE = re.compile(r"[0-9]+(\.[0-9]+){1,3}")
"""A number that may belong to a shorter one; few dots, so that a long text costs no long search."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Releases:
    """The releases of every distro that has codenames; never changes once made.

    Names are taken in any case and with blanks around them. A point release such as debian 12.5 or ubuntu 22.04.3 is
    the release it belongs to, unless it is one by itself, such as debian 3.1.
    """

    __slots__ = ("_codenames", "_numbers", "codename")

    def __init__(self, extra: Table | None = None) -> None:
        """Know the vendored releases and those of `extra`, which win. Raises Invalid naming one that is ambiguous."""
        known = _merge(_vendored(), extra or {})
        for distro, releases in known.items():
            _check(distro, releases)
        self._numbers: Final = {
            distro: {codename: number for number, codename in releases.items()} for distro, releases in known.items()
        }
        self._codenames: Final = {
            distro: releases | {codename: codename for codename in releases.values()}
            for distro, releases in known.items()
        }
        self.codename = lru_cache(REMEMBERED)(self._find_codename)
        """Return the codename of a version, or of a codename itself; None where none is known."""

    def canonical(self, distro: str, version: str) -> str:
        """Return the codename of a version where one is known, else the version as given, in lower case."""
        return self.codename(distro, version) or _fold(version)

    def number(self, distro: str, version: str) -> str:
        """Return the number of a version or codename where one is known, else what was given, in lower case."""
        canonical = self.canonical(distro, version)
        return self._numbers.get(_fold(distro), {}).get(canonical, canonical)

    def _find_codename(self, distro: str, version: str) -> str | None:
        codenames = self._codenames.get(_fold(distro), {})
        version = _fold(version)
        if version not in codenames and _POINT_RELEASE.fullmatch(version):
            while version and version not in codenames:
                version = version.rpartition(".")[0]
        return codenames.get(version)


class Term(Struct, frozen=True):
    """One of `distros=`: what a repo is to be built for; version and arch are canonical, None matches any."""

    distro: str
    version: str | None = None
    arch: str | None = None


def parse_terms(text: str, releases: Releases) -> tuple[Term, ...]:
    """Read a comma list of `distro`, `distro.version`, `distro/version` and `distro/version/arch`, each once, in order.

    Blanks around a part and its case do not matter. Raises Invalid repeating the first term that is none of these.
    """
    terms = text.split(",")
    if len(terms) > TERMS_LIMIT:
        raise Invalid(f"distros: has more than {TERMS_LIMIT} terms")
    return tuple(dict.fromkeys(_parse_term(term, releases) for term in terms))


@lru_cache(REMEMBERED)
def canonical_arch(arch: str) -> str:
    """Return the one name of an arch, in lower case: aarch64 is arm64, amd64 is x86_64."""
    arch = _fold(arch)
    return _ARCH_ALIASES.get(arch, arch)


def _parse_term(term: str, releases: Releases) -> Term:
    # Before the blanks go: some control characters count as blanks.
    if _CONTROL.search(term):
        raise Invalid(f"distros: {_shown(term)} has control characters")
    # A version has dots of its own, so only the first one separates, and none where a slash does.
    match [part.strip() for part in (term.split("/") if "/" in term else term.split(".", 1))]:
        case [distro] if distro:
            return Term(_fold(distro))
        case [distro, version] if distro and version:
            return Term(_fold(distro), releases.canonical(distro, version))
        case [distro, version, arch] if distro and version and arch:
            return Term(_fold(distro), releases.canonical(distro, version), canonical_arch(arch))
    raise Invalid(f"distros: {_shown(term)} is not distro, distro.version, distro/version or distro/version/arch")


def _shown(term: str) -> str:
    return repr(term if len(term) <= _SHOWN_LIMIT else term[:_SHOWN_LIMIT] + "...")


@cache
def _vendored() -> Table:
    """Return the table that scripts/distro-releases writes."""
    table: Table = tomllib.loads(files("shaman").joinpath("distro_releases.toml").read_text("utf-8"))
    return table


def _merge(*tables: Table) -> dict[str, dict[str, str]]:
    """Return one table of all, names in lower case; of two codenames for one number the later stays."""
    merged: dict[str, dict[str, str]] = {}
    for table in tables:
        for distro, releases in table.items():
            names = {_fold(number): _fold(codename) for number, codename in releases.items()}
            merged.setdefault(_fold(distro), {}).update(names)
    return merged


def _check(distro: str, releases: Mapping[str, str]) -> None:
    """Raise Invalid unless every name of `releases` stands for one release."""
    numbers: dict[str, str] = {}
    for number, codename in releases.items():
        if not (number and codename):
            raise Invalid(f"distros.{distro}: a version number or codename is empty")
        if codename in numbers:
            raise Invalid(f"distros.{distro}: {codename!r} is the codename of {numbers[codename]!r} and {number!r}")
        if codename in releases and codename != number:
            raise Invalid(f"distros.{distro}: {codename!r} is both a version number and the codename of {number!r}")
        numbers[codename] = number


def _fold(name: str) -> str:
    return name.strip().lower()
