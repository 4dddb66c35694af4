"""Every operation of the document is called with what it allows and what it does not, and answers as it says.

A route that is added is in these tests without a line here. Nothing but this machine is called: a node that is posted
is one that nobody listens at.
"""

import copy
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
import schemathesis
from fakeredis import FakeAsyncRedis, FakeServer
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import allow_header_conformance, missing_required_header, unsupported_method

from shaman.app import create_app
from shaman.checks import check_host
from shaman.errors import Invalid
from shaman.merge_build import BUILD_REQUIRED
from shaman.store import Store
from shaman.web import api, repos
from shaman.web.docs import openapi_document
from tests.conftest import CONFIG, CONFIG_TOML, RELEASES, basic, own_address, running

Json = dict[str, Any]
Case = schemathesis.Case[Any]

APP = create_app(CONFIG, Store(FakeAsyncRedis(server=FakeServer()), CONFIG, RELEASES), RELEASES)

DOCUMENT = msgspec.json.decode(openapi_document(APP))

POSTS = [path for path, item in DOCUMENT["paths"].items() if "post" in item]

NOBODY = "127.0.0.1:9"
"""A host of which a check fails at once."""

HEADER = "#/components/parameters/header."

SETTINGS = CONFIG_TOML.replace("[server]", "[server]\nlongest_wait = 0.005")

EXAMPLES = 10

bounded = settings(
    deadline=None, suppress_health_check=list(HealthCheck), max_examples=EXAMPLES, derandomize=True, database=None
)


def calls(document: Json, mode: str) -> Any:
    """Return what makes requests of a document: those it allows ("positive"), or others ("negative")."""
    config = {
        "generation": {"mode": mode, "deterministic": True, "max-examples": EXAMPLES, "database": "none"},
        # 504 is the production dialect's word for "not ready"; any other 5xx is a fault.
        "checks": {"not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "504"]}},
    }
    made = schemathesis.openapi.from_dict(document, config=SchemathesisConfig.from_dict(config))
    return made.exclude(method="HEAD").exclude(path_regex="^/events")


def has_no_rules(context: Any) -> bool:
    """Tell whether no request of an operation can break a rule: any header is one."""
    operation = context.operation.definition.raw
    parameters = [each for each in operation["parameters"] if not each["$ref"].startswith(HEADER)]
    return not parameters and "requestBody" not in operation


def of_new_records() -> Json:
    """Return the document, narrowed to what is taken whatever the store has.

    The rules of URLs, times and hosts are in words there, as no schema can tell them.
    """
    document: Json = copy.deepcopy(DOCUMENT)
    required = {"/repos/{project}/": repos.RULES.required, "/api/repos/{project}/": api.repos.RULES.required}
    required["/api/builds/{project}/"] = BUILD_REQUIRED
    for path, names in required.items():
        body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        body.pop("anyOf", None)
        body["required"] = names
        for name, schema in body["properties"].items():
            schema.update(schema.pop("anyOf", [{}])[0])
            if "url" in name:
                schema["pattern"] = (
                    r"^https?://[a-z0-9]{1,9}(\.[a-z0-9]{1,9}){0,3}(:[1-9][0-9]{0,3})?(/[ -~]{0,9}){0,3}/$"
                )
            if name == "modified":
                schema["pattern"] = "^20[0-9][0-9]-0[1-9]-1[0-9][T ]1[0-9]:[0-5][0-9]:[0-5][0-9](Z|[+]0[0-9]:00)?$"
            if name == "extra":
                schema["additionalProperties"] = {"type": ["string", "boolean", "null"]}
    parameters = document["components"]["parameters"]
    parameters["post.path.host"]["schema"] = {"enum": [NOBODY]}
    parameters["query.q"]["schema"] = {"type": "string", "pattern": "^[ -~]{0,99}$"}
    return document


allowed = calls(of_new_records(), "positive")

forbidden = calls(DOCUMENT, "negative").exclude(has_no_rules)


@forbidden.hook
def filter_path_parameters(context: Any, path_parameters: Json | None) -> bool:
    """Keep hosts out that are good ones: posting such a node would have it checked."""
    if context.operation is None or context.operation.label != "POST /api/nodes/{host}/":
        return True
    try:
        check_host("host", str((path_parameters or {}).get("host")))
    except Invalid:
        return True
    return False


@pytest.fixture(scope="session")
def patient_url(server_url: str) -> Iterator[str]:
    """Run the service with waits so short that a test can ask for any."""
    with running(server_url, settings=SETTINGS) as url:
        yield url


@pytest.fixture
def service(patient_url: str) -> str:
    """Return a service that has been told the examples of the document, so that there is something to answer."""
    parameters = DOCUMENT["components"]["parameters"]
    names = {each["name"]: each["example"] for each in parameters.values() if each["in"] == "path"} | {"host": NOBODY}
    with httpx.Client(base_url=patient_url, auth=("builder", "secret"), headers=own_address()) as client:
        for path in POSTS:
            body = DOCUMENT["paths"][path]["post"].get("requestBody")
            example = body["content"]["application/json"]["example"] if body else None
            response = client.post(path.format(**names), json=example)
            assert response.status_code in {200, 201}, response.text
    return patient_url


def call(case: Case, service: str, *without: Any) -> None:
    """Call an operation as one who may, and check the answer by every rule but these."""
    login = basic("builder", "secret") if "security" in case.operation.definition.raw else {}
    # Below `/api/nodes/` any word is a host that may be posted, and only what answers a POST says that `next` is none.
    excluded = [*without, allow_header_conformance] if case.path == "/api/nodes/next/" else list(without)
    case.call_and_validate(base_url=service, headers=own_address() | login, excluded_checks=excluded)


@allowed.parametrize()
@bounded
def test_what_is_allowed_is_answered(case: Case, service: str) -> None:
    """It is taken, and the answer has a status, a type, headers and a shape that the document has."""
    call(case, service)


@forbidden.parametrize()
@bounded
def test_what_is_not_allowed_is_refused(case: Case, service: str) -> None:
    """The answer is an error that the document has, and never one of 500."""
    # These would break a second rule beside the one that the request breaks already, and either may be told.
    call(case, service, unsupported_method, missing_required_header)
