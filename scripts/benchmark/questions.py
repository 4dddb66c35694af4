"""The hot list: what schedulers and people ask again and again."""

from msgspec import Struct

from benchmark.records import PROJECT, REF_SIZES, push, ref_of

TERMS = "centos/9,ubuntu/jammy"
SCHEDULER = "search?project={P}&status=ready&flavor=default&distros=centos/9/x86_64&ref={R}&sha1="
MOST_REFS = 20_000
"""Refs that are asked for in turn: more than in a burst of usual length."""


class Question(Struct, frozen=True):
    """A question of the hot list: `target` has {P}, {R} and {S} for a project, one of its refs and a sha1 of that.

    `grows`: its answer has a name for each push to the ref, so the busy ref has no answer of a usual size.
    """

    name: str
    target: str
    grows: bool = False

    def of(self, number: int) -> str:
        """Return the target that asks for what a push has built."""
        pushed = push(number)
        return self.target.format(P=PROJECT, R=pushed.ref, S=pushed.sha1)

    def respelled(self, number: int) -> str:
        """Return the same with its names in braces, as `Traffic` takes it."""
        pushed = push(number)
        return self.target.format(P=f"{{{PROJECT}}}", R=f"{{{pushed.ref}}}", S=f"{{{pushed.sha1}}}")

    @property
    def varies(self) -> bool:
        """Whether it is another question for another ref."""
        return "{R}" in self.target


CHIEF = (
    Question("search by ref", "/search/{P}/{R}/"),
    Question("search with distros", "/search/{P}/{R}/?distros=" + TERMS),
    Question("search with common_sha1", "/search/{P}/{R}/?common_sha1=true&distros=" + TERMS),
    Question("scheduler, latest sha1", "/api/" + SCHEDULER + "latest"),
    Question("scheduler, one sha1", "/api/" + SCHEDULER + "{S}"),
    Question("latest of a flavor", "/api/repos/{P}/{R}/latest/centos/9/flavors/default/"),
    Question("list of distros", "/repos/{P}/{R}/{S}/"),
)

HOT = (
    *CHIEF,
    Question("list of projects", "/repos/"),
    Question("list of refs", "/repos/{P}/"),
    Question("list of sha1s", "/repos/{P}/{R}/", grows=True),
    Question("list of versions", "/repos/{P}/{R}/{S}/centos/"),
    Question("list of archs", "/repos/{P}/{R}/{S}/centos/9/"),
    Question("list of repos", "/repos/{P}/{R}/{S}/centos/9/x86_64/"),
    Question("/api list of refs", "/api/repos/{P}/"),
    Question("/api list of sha1s", "/api/repos/{P}/{R}/", grows=True),
    Question("/api list of distros", "/api/repos/{P}/{R}/{S}/"),
    Question("/api list of versions", "/api/repos/{P}/{R}/{S}/centos/"),
    Question("/api list of flavors", "/api/repos/{P}/{R}/{S}/centos/9/flavors/"),
    Question("/api list of repos", "/api/repos/{P}/{R}/{S}/centos/9/"),
)

WORST = Question("no common sha1", "/search/{P}/{R}/?common_sha1=true&distros=debian/bookworm,windows/1809")
"""Of the busy ref: its pushes take turns in which of the two they are built for."""


def single_pushes(pushes: int) -> list[int]:
    """Return pushes that are the only ones of their ref: what is asked of one has an answer of the same size."""
    singles = [index for index, size in enumerate(REF_SIZES) if size == 1]
    small = [number for number in range(pushes) if number % 4 > 1]
    found = [number for number in small if int(ref_of(number)[-5:]) % len(REF_SIZES) in singles]
    return found[:MOST_REFS]
