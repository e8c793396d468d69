"""Every page in every state, as `pages.PAGES` lists them: what each has to keep (criteria G1 to G6)."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, ViewportSize
from starlette.routing import compile_path

from serve_app.api import create_api
from tests.api.routes import routes_in
from tests.browser.checks import (
    Observed,
    accessibility_faults,
    budget_faults,
    enlarge_text,
    markup_faults,
    structure_faults,
    watch,
    width_faults,
)
from tests.browser.market import Market
from tests.browser.pages import (
    NO_PAGES,
    PAGES,
    STRIPE,
    Row,
    bring,
    scene_of,
    stand_in_for_stripe,
    wait_for_card_form,
)
from tests.browser.scene import Scene

SMALLEST: ViewportSize = {"width": 320, "height": 700}
PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 900}
# The folder for pictures of all pages, which take a sixth of the time: `make browser` wants them.
PICTURES = os.environ.get("PICTURES")
every_page = pytest.mark.parametrize("row", PAGES, ids=lambda row: row.state)


@asynccontextmanager
async def shown(browser: Browser, scene: Scene, row: Row, **options: object) -> AsyncIterator[tuple[Page, Observed]]:
    """Show the page of a row in a new window."""
    scene = scene_of(row, scene)
    person = scene.people[row.who] if row.who else None
    context = await scene.market.context(browser, person, **{"viewport": DESK, **options})
    try:
        observed = await watch(context, scene.market.url, also=(STRIPE,) if row.stripe else ())
        await stand_in_for_stripe(context, row)
        page = await context.new_page()
        await bring(page, row, scene)
        await wait_for_card_form(page, row)
        yield page, observed
    finally:
        await context.close()


def page_routes(market: Market) -> set[str]:
    """Return the paths at which the market answers GET with something of its web part."""
    found = routes_in(create_api(market.services))
    return {
        route.path
        for route in found
        if route.endpoint.__module__.startswith("serve_app.web.") and "GET" in (route.methods or ())
    }


def test_every_page_route_is_in_the_table(market: Market) -> None:
    addresses = [row.address.partition("?")[0].partition("#")[0].format_map(_AnyId()) for row in PAGES]
    routes = page_routes(market)
    missing = {
        route
        for route in routes - set(NO_PAGES)
        if not any(compile_path(route)[0].fullmatch(address) for address in addresses)
    }
    assert not missing, "add rows to PAGES in tests/browser/pages.py"
    assert set(NO_PAGES) <= routes


class _AnyId(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "0" * 24


@every_page
async def test_page_is_accessible_in_light_and_dark_on_phones_and_desks_and_fits_with_large_text(
    browser: Browser, scene: Scene, axe: str, row: Row
) -> None:
    faults = []
    async with shown(browser, scene, row, reduced_motion="reduce") as (page, _):
        for width, viewport in (("wide", DESK), ("narrow", PHONE)):
            await page.set_viewport_size(viewport)
            for scheme in ("light", "dark"):
                await page.emulate_media(color_scheme=scheme)
                # The scheme changes nothing but colors.
                found = await accessibility_faults(page, axe, only_colors=scheme == "dark")
                faults += [f"{width}, {scheme}: {fault}" for fault in found]
                if PICTURES:
                    picture = Path(PICTURES, f"{row.state.replace(' ', '-')}-{width}-{scheme}.png")
                    await page.screenshot(path=picture, full_page=True)
        await page.set_viewport_size(SMALLEST)
        faults += [f"smallest: {fault}" for fault in await width_faults(page)]
        await page.set_viewport_size(DESK)
        await enlarge_text(page)
        faults += [f"large text: {fault}" for fault in await width_faults(page)]
    assert not faults


@every_page
async def test_page_keeps_to_its_budget_complains_of_nothing_and_asks_nobody_else(
    browser: Browser, scene: Scene, row: Row
) -> None:
    async with shown(browser, scene, row) as (page, observed):
        await page.wait_for_load_state("load")
        over = [] if row.press else await budget_faults(page, observed)
        assert (await observed.faults(page), over) == ([], [])
        assert not await structure_faults(page)


async def test_markup_of_every_page_is_valid(browser: Browser, scene: Scene, vnu: list[str], tmp_path: Path) -> None:
    nobody = scene.market.anyone()
    for row in PAGES:
        place = scene_of(row, scene)
        person = place.people[row.who] if row.who else None
        if row.press:
            context = await place.market.context(browser, person, java_script_enabled=False)
            body = await (await bring(await context.new_page(), row, place)).body()
            await context.close()
        else:
            address, http = f"{place.market.url}{row.path(place)}", (person or nobody).http
            answer = await http.get(address, headers={"Accept": "text/html"}, follow_redirects=True)
            assert answer.status_code == row.status, row.state
            body = answer.content
        (tmp_path / f"{row.state.replace(' ', '-')}.html").write_bytes(body)
    assert not await markup_faults(tmp_path, vnu)
