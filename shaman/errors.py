"""What can go wrong, in the registry's own words; `web/problems.py` maps each to a status."""


class ShamanError(Exception):
    """The root of every error below; its text is one sentence for the person who caused it."""


class Invalid(ShamanError):
    """What was sent breaks a rule; the text names the field or parameter and the rule."""


class TooLarge(Invalid):
    """What was sent is longer than the registry takes."""


class WrongType(Invalid):
    """What was sent is not JSON by its own declaration."""


class Unauthorized(ShamanError):
    """The credentials are missing, malformed, wrong, or not for this project."""


class WrongLogin(Unauthorized):
    """The credentials are whole, and those of nobody."""


class TooManyTries(ShamanError):
    """Too many logins have failed; `after` is the seconds until it may be tried again."""

    def __init__(self, text: str, after: int) -> None:
        super().__init__(text)
        self.after = after


class NotFound(ShamanError):
    """Nothing of that name is in the registry."""


class NotReady(ShamanError):
    """The name is known, but no repository is ready for it yet."""


class Unavailable(ShamanError):
    """The store, or everything that could answer, is away; asking again later may help."""


class WrongSchema(Unavailable):
    """The store has keys of another version: nothing in it is read or written until that is mended."""


class Damaged(Unavailable):
    """What the store has does not fit together: no answer can be made of it until that is mended."""
