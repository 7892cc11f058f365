"""The decision: whose data a principal reaches. Asked of a Rego policy in process, or of an OPA server."""

import logging
import re
import threading
import time
from collections import OrderedDict
from importlib.resources import files
from typing import Any, Literal, Protocol, cast, get_args

from regopy import Interpreter, LogLevel, RegoError

from api.http.errors import RETRY_AFTER, ApiError
from api.http.fetch import FetchError, fetch, is_safe
from api.http.principal import Principal, Reach
from api.http.settings import Settings, SettingsError

Action = Literal["read", "write", "withdraw"]

_LOG = logging.getLogger("oncolake.http")
_RULE = "data.prostatenet.rbac.reach"
_SHIPPED = files("api.http").joinpath("policy.rego")
_NOBODY = Principal("nobody", None, frozenset(), frozenset())
#: Decisions that are kept, and for how many seconds: an OPA server's policy may change at any time.
_KEPT, _OPA_SECONDS = 4096, 30.0
#: Questions that an OPA server is asked at once: a few of a worker's 40 threads. The others go on with
#: requests whose decisions are kept.
_AT_ONCE = 8
#: Seconds that an OPA server may take to connect and between two pieces of its answer; those that others
#: wait for their turn. After that they are refused.
_PAUSE, _PATIENCE = 1.0, 1.0
_MESSAGE = re.compile(r"\(errormsg \d+:([^()]+)\)")
_PLACE = re.compile(r"\(errorast \|(\d+)\|")


class _Unanswered(Exception):
    """The policy gave no decision; the message says why, and nothing of who asked."""


class _Decider(Protocol):
    def __call__(self, question: dict[str, Any]) -> Any:
        """The value of the rule ``reach``. Raises _Unanswered."""


class Policy:
    """The access policy. Its decisions are kept: the same principal, scope and action is asked once."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError where the policy file cannot be used."""
        if settings.opa_url and not is_safe(str(settings.opa_url)):
            raise SettingsError(
                "ONCOLAKE_OPA_URL: use https, or an address of this machine; who answers grants access"
            )
        self._decide: _Decider = _Opa(str(settings.opa_url)) if settings.opa_url else _InProcess(settings)
        self._seconds = _OPA_SECONDS if settings.opa_url else float("inf")
        self._kept: OrderedDict[tuple[Principal, str, Action], tuple[float, Reach]] = OrderedDict()
        self._lock = threading.Lock()

    def reach(self, principal: Principal, scope: str, action: Action) -> Reach:
        """Whose data ``principal`` reaches with ``action``. Raises ApiError 503 where nobody decides."""
        asked, now = (principal, scope, action), time.monotonic()
        with self._lock:
            until, reach = self._kept.get(asked, (0.0, "none"))
            if now < until:
                self._kept.move_to_end(asked)
                return reach
        try:
            reach = _as_reach(self._decide(_question(*asked)))
        except _Unanswered as error:
            _LOG.error("the access policy gave no decision: %s", error)
            headers = {"Retry-After": str(RETRY_AFTER)}
            raise ApiError(503, "access cannot be decided now; try again later", headers=headers) from None
        with self._lock:
            self._kept[asked] = (now + self._seconds, reach)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return reach


def _question(principal: Principal, scope: str, action: Action) -> dict[str, Any]:
    return {
        "action": action,
        "scope": scope,
        "scopes": sorted(principal.scopes),
        "roles": sorted(principal.roles),
        "subject": principal.subject,
        "organisation": principal.organisation,
    }


def _as_reach(answer: Any) -> Reach:
    if isinstance(answer, str) and answer in get_args(Reach):
        return cast(Reach, answer)
    raise _Unanswered(f"the rule '{_RULE}' is not one of 'none', 'own' and 'all'")


class _InProcess:
    """The policy file, compiled once by regopy. Its interpreter serves one question at a time."""

    def __init__(self, settings: Settings) -> None:
        self._lock = threading.Lock()
        self._rego = Interpreter()
        self._rego.log_level = LogLevel.NONE  # else it prints errors by itself
        name = f"ONCOLAKE_POLICY: '{settings.policy}'" if settings.policy else "the shipped policy"
        try:
            source = (settings.policy or _SHIPPED).read_text("utf-8")
            self._rego.add_module("policy", source)
            self._bundle = self._rego.build(_RULE)
        except OSError as error:
            raise SettingsError(f"{name} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise SettingsError(f"{name} is not in UTF-8") from None
        except RegoError as error:
            raise SettingsError(f"{name} is not a Rego policy: {_fault(str(error), source)}") from None
        for action in get_args(Action):
            try:
                _as_reach(self(_question(_NOBODY, "metadata:read", action)))
            except _Unanswered:
                needs = f"'{_RULE}' must be 'none', 'own' or 'all', also for a token without roles"
                raise SettingsError(f"{name} cannot decide: {needs}") from None

    def __call__(self, question: dict[str, Any]) -> Any:
        try:
            with self._lock:
                self._rego.set_input(question)
                output = self._rego.query_bundle(self._bundle)
                found = output.results if output.ok() else []
        except RegoError as error:
            raise _Unanswered("its rules fail or contradict each other") from error
        if len(found) != 1 or len(found[0].expressions) != 1:
            raise _Unanswered(f"the rule '{_RULE}' is undefined")
        return found[0].expressions[0]


def _fault(error: str, source: str) -> str:
    """What regopy finds wrong, and in which line: its error is a syntax tree with offsets in UTF-8."""
    message, place = _MESSAGE.search(error), _PLACE.search(error)
    line = source.encode()[: int(place[1])].count(b"\n") + 1 if place else 1
    return f"line {line}: {message[1] if message else 'it cannot be compiled'}"


class _Opa:
    """An Open Policy Agent: ``{"input": ...}`` is POSTed, the answer is ``{"result": ...}``."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._begun: list[float] = []
        """When each question that is being asked began."""
        self._is_prompt = True
        """Whether the last answer came soon: nobody waits behind a server that is slow or away."""
        self._changed = threading.Condition()

    def __call__(self, question: dict[str, Any]) -> Any:
        began = self._take_turn()
        answered = False
        try:
            answer = fetch(self._url, {"input": question}, _PAUSE)
            answered = True
        except FetchError as error:
            raise _Unanswered(str(error)) from error
        finally:
            self._end_turn(began, answered)
        return answer.get("result") if isinstance(answer, dict) else None

    def _take_turn(self) -> float:
        """Wait until fewer than ``_AT_ONCE`` are asking, and not long. The moment, for ``_end_turn``."""
        with self._changed:
            came = time.monotonic()
            while len(self._begun) >= _AT_ONCE:
                left = min(came, *self._begun) + _PATIENCE - time.monotonic()
                if left <= 0 or not self._is_prompt:
                    raise _Unanswered(f"'{self._url}' is still busy with the questions of others")
                self._changed.wait(left)
            began = time.monotonic()
            self._begun.append(began)
            return began

    def _end_turn(self, began: float, answered: bool) -> None:
        with self._changed:
            self._begun.remove(began)
            self._is_prompt = answered and time.monotonic() - began < _PATIENCE
            self._changed.notify_all()
