"""Why a value or a decision cannot be had; every one carries a reason for people."""

from __future__ import annotations


class Stop(Exception):
    """The computation ends here; `str` of it is the reason."""


class Undefined(Stop):
    """At this point there is no value: division by zero, the logarithm of a negative number."""


class LogOfZero(Undefined):
    """log 0, which a factor 0 beside it makes 0, as everywhere in information theory."""


class Outside(Undefined):
    """An index has been shifted out of its set."""


class TooLarge(Stop):
    """A number or a formula has grown past its cap; smaller samples or digits may still do."""


class TooMuch(TooLarge):
    """The exact form grows too long whatever the numbers are; digits may do."""


class Unsupported(Stop):
    """The step asks for something that this engine does not have, at any point."""


class OutOfTime(Stop):
    """The budget is used up."""
