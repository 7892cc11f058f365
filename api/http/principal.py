"""Who asks: what a valid token says of its bearer."""

from dataclasses import dataclass
from typing import Literal

#: Whose data somebody may see or touch.
Reach = Literal["none", "own", "all"]


@dataclass(frozen=True, slots=True)
class Principal:
    """The bearer of a token that was verified."""

    subject: str
    organisation: str | None
    """None when the token names none; such a provider owns nothing but what it sent itself."""
    roles: frozenset[str]
    """Groups of ``wlcg.groups``, without their leading slash and the virtual organisation's name."""
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Access:
    """What the policy lets a principal do in this request."""

    principal: Principal
    reach: Reach
