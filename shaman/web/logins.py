"""Failed logins, counted by address, so that nobody goes on guessing keys.

Each process counts for itself: the good path costs no round trip, and with N of them an address has N times the tries.
"""

import logging
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from math import ceil

from shaman.errors import TooManyTries

TRIES = 30
"""Failed logins that an address has in a period: a few builders with an old key behind one address are no guessers, and
a key has 2^256 values."""

PERIOD = 60.0
"""Seconds from the first of them until they are forgotten, and the most that a builder with a wrong key is shut out."""

ADDRESSES = 10_000
"""Addresses that are remembered, those that began last; about 2 MB."""

IPV6_NETWORK = 64
"""Bits of an IPv6 address that count: the rest is for its owner to choose."""

_log = logging.getLogger(__name__)


class FailedLogins:
    """Who has failed to log in lately. Times are seconds of any clock that never goes back."""

    def __init__(self) -> None:
        """Know of none."""
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._right: set[bytes] = set()
        self.failed = self.refused = 0

    def __bool__(self) -> bool:
        """Tell whether any address has failed lately."""
        return bool(self._failed)

    def knows(self, header: str) -> bool:
        """Tell whether such an Authorization was right before: whoever sends it guesses nothing."""
        return _digest(header) in self._right

    def add_right(self, header: str) -> None:
        """Take note of an Authorization that is right."""
        if len(self._right) >= ADDRESSES:  # one key can be written in many ways
            self._right.clear()
        self._right.add(_digest(header))

    def check(self, address: str, now: float) -> None:
        """Raise TooManyTries if the address has had its tries."""
        self._forget(now)
        count, ends = self._failed.get(address, (0, now))
        if count >= TRIES:
            self.refused += 1
            raise TooManyTries("too many failed logins from this address", after=ceil(ends - now))

    def add(self, address: str, now: float) -> None:
        """Take note of a failed login. Every address ends its period in the order in which it began."""
        self.failed += 1
        self._forget(now)
        count, ends = self._failed.get(address, (0, now + PERIOD))
        self._failed[address] = (count + 1, ends)
        if count + 1 == TRIES:
            _log.warning("%s failed logins from %s; more are refused for %d s", TRIES, address, ceil(ends - now))
        if len(self._failed) > ADDRESSES:
            self._failed.popitem(last=False)

    def _forget(self, now: float) -> None:
        while self._failed and next(iter(self._failed.values()))[1] <= now:
            self._failed.popitem(last=False)


def _digest(header: str) -> bytes:
    return sha256(header.encode("utf-8", "surrogateescape")).digest()


def client_address(peer: str, forwarded: Sequence[str], proxies: int) -> str:
    """Return the address of a client: the peer's, or with trusted proxies what they say of it.

    `forwarded` are the values of X-Forwarded-For. Every proxy adds the address that it was asked from at the end, so
    the last but `proxies` is true, and what stands before it is what the client likes to say.
    """
    named = [entry.strip() for value in forwarded for entry in value.split(",")] if proxies else []
    address = _parsed(named[-proxies]) if proxies and len(named) >= proxies else None
    address = address or _parsed(peer)
    if isinstance(address, IPv6Address) and not address.ipv4_mapped:
        return str(ip_network((address, IPV6_NETWORK), strict=False))
    return str(getattr(address, "ipv4_mapped", None) or address)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address that `text` is, with or without a port."""
    host = text[1:].partition("]")[0] if text.startswith("[") else text
    host = host.partition(":")[0] if host.count(":") == 1 else host
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None
