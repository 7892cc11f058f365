"""Escalation: nobody does more than the token's roles, scopes and organisation let them."""

import json
from collections.abc import Iterator

import pytest

from tests.attacking import FORTH, JSON, UKE, Target, is_refused, targeted, unharmed
from tests.posting import figure

_POSTED = json.dumps(figure("P9")).encode()


@pytest.fixture(scope="module")
def target(
    server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    with targeted(server_url, template_database, tmp_path_factory.mktemp("keys")) as found:
        yield found


@pytest.fixture(autouse=True)
def harms_nothing(target: Target, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with unharmed(target, caplog):
        yield


@pytest.mark.parametrize(
    "roles",
    [
        ["Admins"],
        ["admin"],
        ["/prostatenet/data-providers/admins"],
        ["/other/admins"],
        ["admins "],
        ["admins\0"],
        ["users"],
        ["data-providers,admins"],
        ['["admins"]'],
        ["*"],
        [],
    ],
)
def test_nobody_becomes_what_the_token_does_not_say(target: Target, roles: list[str]) -> None:
    who = target.issuer.headers(roles, organisation=UKE, role="admins", groups=["admins"], reach="all")
    who |= {"X-Role": "admins", "X-Reach": "all", "X-Organisation": FORTH, "X-Forwarded-User": "root"}
    status = 401 if "admins\0" in roles else 403
    for method, address in (
        ("GET", "/feed.json?role=admins&reach=all"),
        ("GET", "/patients/P1"),
        ("DELETE", "/patients/P1"),
        ("DELETE", f"/uploads/{target.upload}"),
        ("POST", "/usecases"),
        ("POST", "/curationMeta"),
    ):
        content = _POSTED if method == "POST" else None
        is_refused(target.client.request(method, address, headers=who | JSON, content=content), status)


def test_a_provider_is_no_other_provider(target: Target) -> None:
    for organisation in (UKE, FORTH.upper(), f"{FORTH}.", f"www.{FORTH}", "%", "forth_example.org", None):
        who = (["data-providers"], "metadata:read metadata:write", organisation)
        spoof = {"X-Organisation": FORTH, "X-Reach": "all"}
        assert target.send("GET", "/feed.json", *who, headers=spoof).json()["items"] == []
        for method, address in (
            ("GET", "/patients/P1"),
            ("GET", f"/uploads/{target.upload}"),
            ("GET", f"/uploads/{target.upload}/problems"),
            ("DELETE", "/patients/P1"),
            ("DELETE", f"/uploads/{target.upload}"),
        ):
            there = is_refused(target.send(method, address, *who), 404)
            never = address.replace("P1", "P0").replace(f"/{target.upload}", "/999999")
            assert there == is_refused(target.send(method, never, *who), 404), "nothing is revealed"


@pytest.mark.parametrize(
    ("role", "scope", "allowed"),
    [
        ("modellers", "metadata:read metadata:write", {"GET"}),
        ("admins", "metadata:read", {"GET"}),
        ("admins", "metadata:write metadata:reads xmetadata:read", {"POST"}),
        ("admins", "metadata:*", set()),
        ("admins", "METADATA:READ METADATA:WRITE", set()),
        ("admins", "", set()),
    ],
)
def test_a_role_does_what_its_scope_lets_it(target: Target, role: str, scope: str, allowed: set[str]) -> None:
    for method, address in (
        ("GET", "/feed.json"),
        ("GET", "/patients/P1"),
        ("POST", "/usecases?validate=only"),
        *((("DELETE", "/patients/P1"),) if "POST" not in allowed else ()),
    ):
        content = {"content": _POSTED, "headers": JSON} if method == "POST" else {}
        response = target.send(method, address, [role], scope, **content)
        if method in allowed:
            assert response.status_code == 200, response.text
        else:
            is_refused(response, 403)
            assert 'error="insufficient_scope"' in response.headers["www-authenticate"]


def test_a_token_is_read_from_one_header_alone(target: Target) -> None:
    headers = {"Authorization": f"Bearer {'a' * 20_000}"}
    is_refused(target.client.get("/feed.json", headers=headers), 401)
    token = target.issuer.token(["admins"])
    for place in ("access_token", "token"):
        is_refused(target.client.get(f"/feed.json?{place}={token}"), 401)
        is_refused(target.client.get("/feed.json", headers={"Cookie": f"{place}={token}"}), 401)
    form = {"access_token": (None, token)}
    is_refused(target.client.post("/usecases", files=form), 401)
