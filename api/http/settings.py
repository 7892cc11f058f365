"""What the service is told by its environment: every ``ONCOLAKE_`` variable, checked at the start."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from pydantic import AnyHttpUrl, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from etl.read import LIMIT_SETTING
from omop_schema.database import SETTING
from omop_schema.embedded.server import HOME_SETTING

_PREFIX = "ONCOLAKE_"
#: Those that every command reads.
_OTHERS = (SETTING, HOME_SETTING, LIMIT_SETTING)
#: Seconds in a day: more than any wait may last.
_DAY = 86_400


class SettingsError(Exception):
    """Settings that the service cannot start with; the message names each variable, and no value."""


class Settings(BaseSettings):
    """Names in capitals with ``ONCOLAKE_`` before them are the environment variables."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, env_ignore_empty=True)

    issuer: str | None = Field(None, description="The OpenID provider's issuer, as tokens name it (iss)")
    keys: Path | None = Field(
        None, description="A PEM or JWKS file of the issuer's public keys; without it they are discovered"
    )
    audience: str = Field("ProstateNet", description="The audience that tokens must be for (aud)")
    organisation_claim: str = Field(
        "schac_home_organization", description="The claim that names the user's organisation"
    )
    leeway: float = Field(30, ge=0, le=600, description="Seconds that clocks may differ by")
    opa_url: AnyHttpUrl | None = Field(
        None, description="An Open Policy Agent's decision, instead of the policy in process"
    )
    policy: Path | None = Field(None, description="Another Rego policy file than the shipped one")
    max_body_bytes: int = Field(20_000_000, ge=1_000, description="The largest request body")
    body_seconds: float = Field(30, gt=0, le=_DAY, description="How long a body may take to arrive")
    connections: int = Field(10, ge=2, le=200, description="Database connections of each worker")
    connection_seconds: float = Field(
        5, gt=0, le=_DAY, description="How long a request waits for one of them"
    )
    page_size: int = Field(50, ge=1, le=1_000, description="Items of a feed's page")
    public_url: AnyHttpUrl | None = Field(
        None, description="The address that clients use, where a proxy stands before the service"
    )
    wado_root: AnyHttpUrl | None = Field(
        None, description="The image store's WADO-RS address, which search results lead to"
    )
    mappings: Path | None = Field(None, description="The mapping folder; the shipped one without it")

    @field_validator("issuer", "audience", "organisation_claim")
    @classmethod
    def _says_something(cls, words: str | None) -> str | None:
        if words is not None and not words.strip():
            raise ValueError("is blank; give it a value, or unset it")
        return words

    @field_validator("public_url")
    @classmethod
    def _can_be_gone_on_with(cls, url: AnyHttpUrl | None) -> AnyHttpUrl | None:
        if url and (url.query is not None or url.fragment is not None or url.username or url.password):
            raise ValueError("must be an address alone, without a user, ? or #; paths are put at its end")
        return url

    @model_validator(mode="after")
    def _has_an_issuer(self) -> "Settings":
        if self.issuer is None:
            raise ValueError("ONCOLAKE_ISSUER is not set; name the OpenID provider, or use serve --dev")
        return self


def read_settings(**given: object) -> Settings:
    """The settings of the environment, with ``given`` in their place. Raises SettingsError."""
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        faults = [_fault(one["loc"], one["msg"]) for one in error.errors(include_input=False)]
        raise SettingsError("; ".join(faults)) from None


def _fault(place: tuple[int | str, ...], message: str) -> str:
    words = message.removeprefix("Value error, ")
    return f"{_PREFIX}{str(place[0]).upper()}: {words}" if place else words


def misspelt(names: Iterable[str]) -> list[str]:
    """A sentence for each variable that looks like a setting and is none; its value is not looked at."""
    ours = {f"{_PREFIX}{name.upper()}" for name in Settings.model_fields}
    found = [each for each in names if each.upper().startswith(_PREFIX)]
    # Those of the service are taken in small letters too.
    unknown = [each for each in found if each not in _OTHERS and each.upper() not in ours]
    return [f"{each} is no setting{_nearest(each, ours.union(_OTHERS))}" for each in sorted(unknown)]


def _nearest(name: str, known: Iterable[str]) -> str:
    words = [each.removeprefix(_PREFIX) for each in sorted(known)]
    near = get_close_matches(name[len(_PREFIX) :].upper(), words, n=1)
    return f"; did you mean {_PREFIX}{near[0]}?" if near else "; the README lists those that there are"
