"""JSON from outside as Structs, and what is wrong with it in the registry's words."""

from typing import Any, TypeVar

import msgspec

from shaman.errors import Invalid

Body = TypeVar("Body")

any_object = msgspec.json.Decoder(dict[str, Any])
"""Reads an object of which nobody knows yet what it should be."""


def decode_body(data: bytes | str, decoder: msgspec.json.Decoder[Body]) -> Body:
    """Return `data` as the decoder's type. Raises Invalid naming the field and what it should be."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise _invalid(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"body: is not JSON: {error}") from None
    except RecursionError:
        raise Invalid("body: is nested too deeply") from None


def read_as(kind: type[Body], value: dict[str, Any]) -> Body:
    """Return a decoded object as a Struct. Raises Invalid naming the field and what it should be."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _invalid(error) from None


def _invalid(error: msgspec.ValidationError) -> Invalid:
    text, _, path = str(error).partition(" - at `")
    field = path.rstrip("`").removeprefix("$").removeprefix(".").removeprefix("[...]")
    return Invalid(f"{field or 'body'}: {text[:1].lower()}{text[1:]}")
