"""What robots, browsers and search engines read."""

import json
from xml.etree import ElementTree as ET

from tests.api.world import World


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
