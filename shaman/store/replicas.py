"""Whether the replicas have what was written: asked in the same batch, of the connection that has written it."""

from typing import Any

from shaman.errors import Unavailable

WAIT = "WAIT"
ACK_WAIT = 1.0
"""Seconds the replicas may take to have a batch of writes; they need about as long as a round trip."""


def wait_for(replicas: int) -> tuple[str, int, int]:
    """Return the command that waits for so many replicas; it goes last."""
    return (WAIT, replicas, int(ACK_WAIT * 1000))


def acknowledged(answers: list[Any], replicas: int) -> list[Any]:
    """Return the answers that came before that of `wait_for`: if too few replicas have the writes, each is an error."""
    *answers, count = answers
    if not isinstance(count, Exception) and count >= replicas:
        return answers
    told = f"whether replicas have the write is not told ({type(count).__name__})"
    if not isinstance(count, Exception):
        told = f"only {count} of {replicas} replicas have the write in time"
    error = Unavailable(f"{told}: it may be there, and sending it again does no harm")
    return [answer if isinstance(answer, Exception) else error for answer in answers]
