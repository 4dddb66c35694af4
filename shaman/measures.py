"""How often something took how long: plain numbers, cheap enough for every request."""

from bisect import bisect_left
from collections.abc import Sequence

SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the counts: from an answer from memory to the longest that the store may take."""


class Times:
    """Counts of durations by upper bound, the last of those that are longer; and the sum of all."""

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        """Begin with nothing."""
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def note(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def numbers(self) -> list[float]:
        """Return the counts, then the sum."""
        return [*self._counts, self._sum]
