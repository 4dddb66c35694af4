"""The POST of the production dialect and whatever JSON there is."""

import asyncio
import json
import uuid

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conformance.api import Api, repo_body
from tests.web.api.test_bad_input import assert_error


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_body_makes_the_service_fail(data: st.DataObject, process_url: str) -> None:
    """Any JSON in any field is taken or refused, and what is taken can be read again, everywhere."""
    values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5)
    names = st.sampled_from([*repo_body("p"), "modified", "unknown"])
    changes = data.draw(st.dictionaries(names, values | st.dictionaries(st.text(), values), max_size=3))

    async def send() -> None:
        async with httpx.AsyncClient(base_url=process_url, auth=("builder", "secret")) as http:
            api = Api(http, f"fuzz-{uuid.uuid4().hex}")
            http.headers["Accept"] = "application/json"
            # The standard library writes NaN and lone surrogates, as bad clients do.
            content = json.dumps(repo_body(api.project) | changes)
            response = await http.post(api.path("repos"), content=content)
            if response.status_code == 200 and changes.get("status") != "deleted":
                repo = await api.one_repo()
                place = (repo["ref"], repo["sha1"], repo["distro"], repo["distro_version"])
                assert await api.repos(*place, "flavors", repo["flavor"]) == [repo]
                assert await api.search(ref=repo["ref"], status=repo["status"], sha1="latest") == [repo]
            elif response.status_code != 200:
                assert_error(response, 400)
                await api.nothing_stored()

    asyncio.run(send())
