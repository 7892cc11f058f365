"""The service keeps to its OpenAPI document, whatever is sent: with every role's token, and without one."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import text

from api.http.app import create_app
from api.http.dicomweb_examples import HEADER
from api.http.settings import read_settings
from omop_schema.database import SETTING
from tests.conftest import engine_on, new_database
from tests.posting import figure
from tests.serving import served
from tests.tokens import ISSUER, Issuer

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
#: Beside what any route may answer: these have no token.
WATCHED = {"/healthz", "/readyz", "/metrics"}
#: Headers of the connection, in lower case: nonsense there is answered by the HTTP server, not by us.
CONNECTION = {
    "connection",
    "content-length",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}


class Service(NamedTuple):
    address: str
    app: FastAPI
    issuer: Issuer
    seen: dict[str, set[int]]
    """Statuses by operation, that the tests below are not about nothing."""


@pytest.fixture(scope="module")
def service(
    server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The service with the patient and the upload that the document has for examples."""
    issuer = Issuer()
    with (
        new_database(server_url, template_database) as url,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv(SETTING, url)
        app = create_app(read_settings(**issuer.settings(tmp_path_factory.mktemp("keys"))))
        with served(app) as client:
            with engine_on(url) as engine, engine.begin() as connection:
                connection.execute(text("ALTER TABLE lake.uploads ALTER upload_id RESTART WITH 16"))
            for document in (figure("PCa-268768370567"), figure("P1", useCaseType="1+2")):
                sent = client.post("/usecases", json=document, headers=issuer.headers())
            assert sent.json()["upload_id"] == 17
            headers = issuer.headers() | {"Content-Type": "application/dicom+json"}
            assert client.post("/studies", json=[HEADER], headers=headers).status_code == 200
            yield Service(str(client.base_url), app, issuer, defaultdict(set))


#: The document does not depend on who issues tokens, nor on the database.
schema = schemathesis.openapi.from_dict(create_app(read_settings(issuer=ISSUER)).openapi())
schema.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
schema.config.phases.coverage.unexpected_methods = set()
KEY = "Idempotency-Key"
EXAMPLES = [
    example
    for each in schema.raw_schema["paths"]["/usecases"]["post"]["parameters"]
    if each["name"] == KEY
    for example in each["schema"]["examples"]
]
few = settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("role", ["admins", "data-providers"])
@schema.parametrize()
@few
def test_what_is_answered_is_in_the_document(case: Any, service: Service, role: str) -> None:
    # In place of what was made up for it.
    case.headers = {**of_the_application(case), **service.issuer.headers([role])}
    response = case.call(service.address)
    case.validate_response(response, checks=CHECKS)
    assert response.status_code not in {401, 403}
    service.seen[case.operation.label].add(response.status_code)


def test_every_route_has_answered_well(service: Service) -> None:
    """What was sent above was not nonsense alone."""
    if len(service.seen) < len(list(schema.get_all_operations())):
        pytest.skip("only some of the tests above ran")
    assert [label for label, statuses in service.seen.items() if 200 not in statuses] == []


@schema.parametrize()
@few
def test_without_a_token_there_is_nothing(case: Any, service: Service) -> None:
    case.headers = of_the_application(case)
    response = case.call(service.address)
    case.validate_response(response, checks=CHECKS)
    if response.status_code == 404:  # what was made up for the path is no address at all
        assert response.json()["detail"].startswith("there is no such address")
    elif case.path not in WATCHED:
        assert response.status_code in {400, 401}, response.text


def of_the_application(case: Any) -> dict[str, str]:
    """The headers that were made up, without those of the connection, and with a key of their own."""
    made = {name: value for name, value in (case.headers or {}).items() if name.lower() not in CONNECTION}
    if made.get(KEY) in EXAMPLES:
        # The first body that it comes with would have it: any other, the right one too, would be refused.
        made[KEY] = f'"{uuid4()}"'
    return made
