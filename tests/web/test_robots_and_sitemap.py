"""What robots, browsers and search engines read."""

import gzip
import json
from datetime import datetime
from xml.etree import ElementTree as ET

import pytest

from actors.storage import sitemap
from serve_app.api import create_api
from serve_app.http.timestamps import iso
from serve_app.web.assets import ASSETS
from tests.api.world import World
from tests.support.log_lines import log_lines
from tests.web.reading import opens


async def test_robots_are_kept_off_pages_of_persons_and_find_the_sitemap(world: World) -> None:
    text = (await world.anyone().http.get("/robots.txt")).text
    assert "Disallow: /account" in text
    assert "Sitemap: http://localhost:8000/sitemap.xml" in text


async def test_sitemap_names_tickets_that_are_for_sale(world: World) -> None:
    seller, _, held, _ = await world.held()
    free = await seller.lists()
    root = ET.fromstring((await world.anyone().http.get("/sitemap.xml")).text)  # noqa: S314 - our own
    addresses = {element.text for element in root.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")}
    assert addresses == {"http://localhost:8000/", f"http://localhost:8000/tickets/{free['id']}"}
    assert held["id"] not in str(addresses)


async def test_browsers_are_offered_the_search_and_a_manifest(world: World) -> None:
    person = world.anyone()
    ET.fromstring((await person.http.get("/opensearch.xml")).text)  # noqa: S314 - our own
    manifest = json.loads((await person.http.get("/site.webmanifest")).text)
    assert (await person.http.get(manifest["icons"][0]["src"])).headers["content-type"] == "image/svg+xml"


async def test_sitemap_leaves_out_shows_that_started_and_is_cached_for_ten_minutes(world: World) -> None:
    seller = await world.someone()
    begins = await seller.lists(startsAt=iso(world.clock() + 60_000))
    world.clock.advance(61)
    free = await seller.lists()
    text = (await world.anyone().http.get("/sitemap.xml")).text
    assert free["id"] in text
    assert begins["id"] not in text
    late = await seller.lists()
    assert late["id"] not in (await world.anyone().http.get("/sitemap.xml")).text
    world.clock.advance(601)
    assert late["id"] in (await world.anyone().http.get("/sitemap.xml")).text


async def test_sitemap_has_more_tickets_than_one_read_and_no_more_than_a_file_may_have(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sitemap, "_AT_A_TIME", 2)
    monkeypatch.setattr(sitemap, "MOST", 4)
    seller = await world.someone()
    listed = []
    for _ in range(5):
        listed.append((await seller.lists())["id"])
        world.clock.advance(1)
    assert [ticket_id for ticket_id, _ in await world.services.sitemap.entries(world.clock())] == listed[:0:-1]


async def test_security_contact_is_named_where_the_operator_gives_one(world: World) -> None:
    address = "/.well-known/security.txt"
    assert (await world.anyone().http.get(address)).status_code == 404
    settings = world.services.settings.model_copy(update={"security_contact": "mailto:security@example.com"})
    world.serving(settings=settings)
    response = await world.anyone().http.get(address)
    assert response.headers["content-type"].startswith("text/plain")
    fields = dict(line.split(": ", 1) for line in response.text.splitlines())
    assert fields["Contact"] == "mailto:security@example.com"
    expires = datetime.fromisoformat(fields["Expires"]).timestamp() * 1_000
    assert world.clock() < expires < world.clock() + 365 * 86_400_000


async def test_error_page_names_the_line_of_the_log_and_nothing_of_the_inside(world: World) -> None:
    api = create_api(world.services)

    @api.get("/broken")
    async def broken() -> None:
        raise RuntimeError("a secret of the inside")

    with log_lines() as lines:
        page = await opens(world.anyone(api), "/broken")
    (line,) = lines.all("unexpected_exception")
    assert page.status == 500
    assert line["request"] in page.text
    assert page.response.headers["x-request-id"] == line["request"]
    assert page.response.headers["cache-control"] == "no-store"
    assert "secret" not in page.html


def test_own_scripts_are_at_most_6_kb_together() -> None:
    own = [each for name, each in ASSETS.items() if name.endswith(".js") and name != "htmx.min.js"]
    assert len(own) > 1
    assert sum(len(gzip.compress(each.content)) for each in own) <= 6 * 1_024
