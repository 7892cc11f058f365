"""The policy: every role, scope, action and owner; roles together; an OPA server; policies of one's own."""

import itertools
import json
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from api.http import policy as policies
from api.http.errors import ApiError
from api.http.policy import Action, Policy
from api.http.principal import Access, Principal, Reach
from api.http.removals import _remover
from api.http.settings import SettingsError, read_settings
from tests.tokens import ISSUER, site

READ, WRITE = "metadata:read", "metadata:write"
OWN, OTHER = "uke.example.org", "cea.example.org"
SCOPES: dict[Action, str] = {"read": READ, "write": WRITE, "withdraw": WRITE}

#: Whose data a role opens: for reading, writing, withdrawing.
TABLE: dict[str, tuple[Reach, Reach, Reach]] = {
    "admins": ("all", "all", "all"),
    "modellers": ("all", "none", "none"),
    "data-providers": ("own", "own", "own"),
    "users": ("none", "none", "none"),
    "Admins": ("none", "none", "none"),
    "clinicians": ("none", "none", "none"),
    "": ("none", "none", "none"),
}
#: Which owners a reach covers: the own organisation, another one, and none (sent from the command line).
COVERED = {"none": set(), "own": {OWN}, "all": {OWN, OTHER, None}}
GRANTS = [(), (READ,), (WRITE,), (READ, WRITE), ("metadata:*",), ("dicomweb:read", "dicomweb:write")]


@pytest.fixture(scope="module")
def shipped() -> Policy:
    return Policy(read_settings(issuer=ISSUER))


def somebody(
    roles: Iterable[str] = (), scopes: Iterable[str] = (READ, WRITE), organisation: str | None = OWN
) -> Principal:
    return Principal("ada", organisation, frozenset(roles) - {""}, frozenset(scopes))


def covers(who: Principal, reach: Reach, owner: str | None) -> bool:
    """Whether a withdrawal takes what is the owner's. Nobody without a reach gets so far."""
    return reach != "none" and _remover(Access(who, reach)).covers(owner)


def expected(role: str, granted: Iterable[str], action: Action) -> Reach:
    return TABLE[role][list(SCOPES).index(action)] if SCOPES[action] in granted else "none"


CASES = list(itertools.product(TABLE, GRANTS, SCOPES))


@pytest.mark.parametrize(("role", "granted", "action"), CASES)
@pytest.mark.parametrize("owner", [OWN, OTHER, None])
def test_role_scope_action_and_owner(
    shipped: Policy, role: str, granted: tuple[str, ...], action: Action, owner: str | None
) -> None:
    who = somebody([role], granted)
    reach = shipped.reach(who, SCOPES[action], action)
    assert reach == expected(role, granted, action)
    assert covers(who, reach, owner) == (owner in COVERED[reach])


WIDTH: dict[Reach, int] = {"none": 0, "own": 1, "all": 2}


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(TABLE, 2)))
@pytest.mark.parametrize("action", SCOPES)
def test_of_two_roles_the_wider_counts(shipped: Policy, first: str, second: str, action: Action) -> None:
    found = shipped.reach(somebody([first, second]), SCOPES[action], action)
    alone = [expected(role, (READ, WRITE), action) for role in (first, second)]
    assert found == max(alone, key=WIDTH.__getitem__)


def test_all_roles_at_once_are_an_admin(shipped: Policy) -> None:
    assert all(shipped.reach(somebody(TABLE), scope, action) == "all" for action, scope in SCOPES.items())


@pytest.mark.parametrize(("action", "scope"), [("read", WRITE), ("write", READ), ("withdraw", READ)])
def test_an_action_needs_its_own_scope(shipped: Policy, action: Action, scope: str) -> None:
    assert shipped.reach(somebody(["admins"]), scope, action) == "none"


def test_an_action_that_the_policy_does_not_know_is_refused(shipped: Policy) -> None:
    assert shipped.reach(somebody(["admins"]), READ, "export") == "none"  # type: ignore[arg-type]


@pytest.mark.parametrize("role", ['admins"]', "admins\n", "permissions", '{"read": "all"}', "__proto__"])
def test_a_role_is_a_name_whatever_it_holds(shipped: Policy, role: str) -> None:
    assert shipped.reach(somebody([role]), READ, "read") == "none"


def test_a_provider_without_organisation_reaches_nothing_of_others(shipped: Policy) -> None:
    who = somebody(["data-providers"], organisation=None)
    reach = shipped.reach(who, WRITE, "withdraw")
    assert reach == "own"
    assert not any(covers(who, reach, owner) for owner in (OWN, None, ""))


def test_a_decision_is_kept_for_the_same_principal_and_for_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    policy, asked = Policy(read_settings(issuer=ISSUER)), []
    decide = policy._decide
    monkeypatch.setattr(policy, "_decide", lambda question: asked.append(question) or decide(question))
    provider = somebody(["data-providers"])
    assert [policy.reach(provider, READ, "read") for _ in range(3)] == ["own"] * 3
    assert len(asked) == 1
    assert policy.reach(provider, WRITE, "write") == "own"
    assert policy.reach(somebody(["data-providers"], [WRITE]), READ, "read") == "none"
    assert policy.reach(somebody(["users"]), READ, "read") == "none"
    assert len(asked) == 4


def test_decisions_kept_are_not_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "_KEPT", 3)
    policy = Policy(read_settings(issuer=ISSUER))
    for number in range(10):
        policy.reach(somebody(["users"], organisation=str(number)), READ, "read")
    assert [key[0].organisation for key in policy._kept] == ["7", "8", "9"]


def test_threads_get_their_own_answers(shipped: Policy) -> None:
    wrong: list[str] = []

    def ask(role: str, reach: Reach) -> None:
        for number in range(50):
            who = somebody([role], organisation=f"{role}{number}")
            if shipped.reach(who, READ, "read") != reach:
                wrong.append(role)

    threads = [threading.Thread(target=ask, args=(role, reaches[0])) for role, reaches in TABLE.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def own_policy(folder: Path, source: str | bytes) -> Policy:
    path = folder / "own.rego"
    path.write_bytes(source if isinstance(source, bytes) else source.encode())
    return Policy(read_settings(issuer=ISSUER, policy=path))


def test_another_policy_file_decides(tmp_path: Path) -> None:
    source = """package prostatenet.rbac
        default reach := "none"
        reach := "all" if "clinicians" in input.roles"""
    policy = own_policy(tmp_path, source)
    assert policy.reach(somebody(["clinicians"]), READ, "read") == "all"
    assert policy.reach(somebody(["admins"]), READ, "read") == "none"


PACKAGE = "package prostatenet.rbac\n"
UNUSABLE = {
    "is not a Rego policy: line 3: Invalid assignment operator": PACKAGE + "# é\nreach :=",
    "is not a Rego policy: line 1: Invalid file": "",
    "is not in UTF-8": b"\xff\xfe",
    "cannot decide: 'data.prostatenet.rbac.reach' must be": "package other\nreach := 'none'".replace(
        "'", '"'
    ),
    "cannot decide: ": PACKAGE + "allow := true",
    "cannot decide:": PACKAGE + "reach := true",
    "cannot decide": PACKAGE + 'reach := "some"',
    "also for a token without roles": PACKAGE + 'reach := "all" if input.roles[_] == "admins"',
    "must be 'none', 'own' or 'all'": PACKAGE + 'reach := "all"\nreach := "own" if input.action == "write"',
}


@pytest.mark.parametrize("says", UNUSABLE)
def test_a_policy_that_cannot_decide_stops_the_start(
    tmp_path: Path, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SettingsError, match=r"^ONCOLAKE_POLICY: '.*own.rego' ") as caught:
        own_policy(tmp_path, UNUSABLE[says])
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_missing_policy_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"ONCOLAKE_POLICY: '.*' cannot be read: No such file"):
        Policy(read_settings(issuer=ISSUER, policy=tmp_path / "none"))


def test_rules_that_contradict_each_other_for_somebody_are_503(tmp_path: Path) -> None:
    source = """default reach := "none"
        reach := "all" if "admins" in input.roles
        reach := "own" if "users" in input.roles"""
    policy = own_policy(tmp_path, PACKAGE + source)
    assert policy.reach(somebody(["admins"]), READ, "read") == "all"
    with pytest.raises(ApiError) as caught:
        policy.reach(somebody(["admins", "users"]), READ, "read")
    assert caught.value.status == 503


def test_an_opa_server_is_asked_and_its_answer_is_kept_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    with site() as opa:
        opa.answers["/v1/data/prostatenet/rbac/reach"] = {"result": "own"}
        policy = Policy(read_settings(issuer=ISSUER, opa_url=f"{opa.address}/v1/data/prostatenet/rbac/reach"))
        for _ in range(3):
            assert policy.reach(somebody(["data-providers"]), READ, "read") == "own"
        ((_, body),) = opa.asked
        assert json.loads(body)["input"] == {
            "action": "read",
            "scope": READ,
            "scopes": [READ, WRITE],
            "roles": ["data-providers"],
            "subject": "ada",
            "organisation": OWN,
        }
        opa.answers["/v1/data/prostatenet/rbac/reach"] = {"result": "none"}
        later = policies.time.monotonic() + policies._OPA_SECONDS + 1
        monkeypatch.setattr(policies.time, "monotonic", lambda: later)
        assert policy.reach(somebody(["data-providers"]), READ, "read") == "none"


@pytest.mark.parametrize(
    "answer", [500, 404, b"", b"no", {}, [], {"result": True}, {"result": "most"}, {"result": None}]
)
def test_an_opa_server_that_does_not_decide_is_503(answer: Any) -> None:
    with site() as opa:
        opa.answers["/"] = answer
        policy = Policy(read_settings(issuer=ISSUER, opa_url=opa.address))
        with pytest.raises(ApiError) as caught:
            policy.reach(somebody(["admins"]), READ, "read")
        assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "5"})
        # What was not decided is not kept.
        opa.answers["/"] = {"result": "all"}
        assert policy.reach(somebody(["admins"]), READ, "read") == "all"


def test_an_opa_server_that_is_away_is_503() -> None:
    with site() as opa:
        policy = Policy(read_settings(issuer=ISSUER, opa_url=opa.address))
    with pytest.raises(ApiError, match="cannot be decided now"):
        policy.reach(somebody(["admins"]), READ, "read")


def asked_at_once(policy: Policy, count: int) -> list[Reach | int]:
    """The answers to so many principals at once, by number; a refusal's status."""

    def ask(number: int) -> Reach | int:
        try:
            return policy.reach(somebody(["admins"], organisation=f"o{number}"), READ, "read")
        except ApiError as error:
            assert (error.headers or {}) == {"Retry-After": "5"}
            return error.status

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(ask, range(count)))


def test_a_slow_opa_server_does_not_take_every_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "_PAUSE", 60)
    with site() as opa:
        opa.answers["/"] = {"result": "all"}
        policy = Policy(read_settings(issuer=ISSUER, opa_url=opa.address))
        known = somebody(["admins"], organisation="known")
        policy.reach(known, READ, "read")
        opa.held.clear()
        with ThreadPoolExecutor(policies._AT_ONCE) as pool:
            try:
                asking = [
                    pool.submit(policy.reach, somebody(organisation=f"slow{number}"), READ, "read")
                    for number in range(policies._AT_ONCE)
                ]
                opa.awaited(1 + policies._AT_ONCE)
                monkeypatch.setattr(policies, "_PATIENCE", 0.05)
                # More than a worker has threads, while none of the questions before them is answered.
                assert asked_at_once(policy, 60) == [503] * 60
                assert policy.reach(known, READ, "read") == "all", "what is kept waits for nobody"
                assert len(opa.asked) == 1 + policies._AT_ONCE
            finally:
                opa.held.set()
            assert [each.result() for each in asking] == ["all"] * policies._AT_ONCE
        monkeypatch.setattr(policies, "_PATIENCE", 60)
        assert policy.reach(somebody(organisation="later"), READ, "read") == "all"
        # It is prompt again: more than are asked at once wait for their turn, and all get it.
        assert asked_at_once(policy, 3 * policies._AT_ONCE) == ["all"] * 3 * policies._AT_ONCE


def test_nobody_waits_behind_an_opa_server_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "_PAUSE", 60)
    monkeypatch.setattr(policies, "_PATIENCE", 60)
    with site() as opa:
        opa.answers["/"] = 500
        policy = Policy(read_settings(issuer=ISSUER, opa_url=opa.address))
        assert asked_at_once(policy, 1) == [503]
        opa.held.clear()
        with ThreadPoolExecutor(policies._AT_ONCE) as pool:
            try:
                asking = pool.submit(asked_at_once, policy, policies._AT_ONCE)
                opa.awaited(1 + policies._AT_ONCE)
                assert asked_at_once(policy, 20) == [503] * 20
            finally:
                opa.held.set()
            assert asking.result() == [503] * policies._AT_ONCE


def test_an_opa_server_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "_PAUSE", 0.1)
    with site() as opa:
        opa.answers["/"] = {"result": "all"}
        opa.held.clear()
        policy = Policy(read_settings(issuer=ISSUER, opa_url=opa.address))
        try:
            assert asked_at_once(policy, 1) == [503]
        finally:
            opa.held.set()
