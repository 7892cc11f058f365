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
    """None when the token names none: such a provider reads and withdraws nothing, and may not post."""
    roles: frozenset[str]
    """Those groups of ``wlcg.groups`` that name a role, without slashes and the platform's root."""
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Access:
    """What the policy lets a principal do in this request."""

    principal: Principal
    reach: Reach
