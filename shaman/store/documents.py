"""Documents and names read back: what no longer is one means that the store is damaged, and never half an answer."""

from typing import Generic, TypeVar

import msgspec

from shaman.errors import Damaged

Model = TypeVar("Model", bound=msgspec.Struct)


def damaged(what: object) -> Damaged:
    """Return the error that tells what is wrong, and what to do."""
    return Damaged(f"the store is damaged ({what}); `shaman check` names every fault, `shaman check --repair` mends it")


def text_of(name: bytes) -> str:
    """Return a name as it was written. Raises Damaged if nobody can have written it."""
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise damaged(f"an index has the name {name!r}") from error


class Documents(Generic[Model]):
    """The decoder of one kind of documents."""

    def __init__(self, model: type[Model]) -> None:
        """Decode what becomes a `model`."""
        self._decoder = msgspec.json.Decoder(model)
        self._name = model.__name__.lower()

    def decode(self, document: bytes) -> Model:
        """Return what a document says. Raises Damaged if it is none."""
        try:
            return self._decoder.decode(document)
        except (msgspec.MsgspecError, ValueError, TypeError) as error:
            raise damaged(f"a document is no {self._name}: {error}") from error
