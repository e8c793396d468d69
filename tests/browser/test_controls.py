"""The checks of pages find what they are for: pages with one fault each, on the market's own address and policy."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page

from serve_app.web.policy import OWN
from tests.browser.checks import (
    Observed,
    accessibility_faults,
    budget_faults,
    control_faults,
    markup_faults,
    structure_faults,
    watch,
    width_faults,
)
from tests.browser.market import Market
from tests.support.eventually import eventually

GOOD = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Fine · Holdfast</title></head><body>'
    '<a href="#main">Skip to content</a><header><nav aria-label="Main">Home</nav></header>'
    '<main id="main" tabindex="-1"><h1>Fine</h1>{}</main><footer>End</footer></body></html>'
)


@asynccontextmanager
async def faulty(browser: Browser, market: Market, body: str, page: str = GOOD) -> AsyncIterator[tuple[Page, Observed]]:
    """Show a page with this in it, under the policy of all pages."""
    context = await market.context(browser, viewport={"width": 390, "height": 844})
    try:
        observed = await watch(context, market.url)
        headers = {"Content-Security-Policy": OWN.header(https=False)}
        html = page.format(body)
        await context.route(
            "**/control", lambda route: route.fulfill(body=html, content_type="text/html", headers=headers)
        )
        shown = await context.new_page()
        await shown.goto("/control")
        yield shown, observed
    finally:
        await context.close()


async def test_good_page_has_no_fault(
    browser: Browser, market: Market, axe: str, vnu: list[str], tmp_path: Path
) -> None:
    async with faulty(browser, market, "<p>Fine.</p>") as (page, observed):
        assert not await accessibility_faults(page, axe)
        assert not await structure_faults(page)
        assert not await width_faults(page)
        assert not await control_faults(page)
        assert not await budget_faults(page, observed)
        assert not await observed.faults(page)
    (tmp_path / "good.html").write_text(GOOD.format("<p>Fine.</p>"))
    assert not await markup_faults(tmp_path, vnu)


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ('<p><font color="#999999">Pale</font></p>', "color-contrast"),
        ('<form><input name="city"></form>', "label"),
        ('<p><img src="/static/none.png"></p>', "image-alt"),
    ],
)
async def test_page_that_some_people_cannot_use_is_found(
    browser: Browser, market: Market, axe: str, body: str, rule: str
) -> None:
    async with faulty(browser, market, body) as (page, _):
        found, of_colors = [await accessibility_faults(page, axe, only_colors=only) for only in (False, True)]
    assert any(fault.startswith(f"{rule}:") for fault in found)
    assert bool(of_colors) == (rule == "color-contrast")


@pytest.mark.parametrize(
    "body",
    [
        '<p style="color: red">Red</p>',
        "<script>alert(1)</script>",
        '<img src="https://example.com/one.png" alt="">',
        '<a href="#main" onclick="go()">Go</a>',
    ],
)
async def test_page_against_the_policy_is_found(browser: Browser, market: Market, body: str) -> None:
    async with faulty(browser, market, body) as (page, observed):
        if "onclick" in body:
            await page.get_by_text("Go").click()

        async def is_found() -> bool:
            return any("policy violated" in fault for fault in await observed.faults(page))

        await eventually(is_found)


async def test_page_that_asks_others_is_found(browser: Browser, market: Market) -> None:
    async with faulty(browser, market, "") as (page, observed):
        await page.context.route(
            "https://example.com/*", lambda route: route.fulfill(body="", content_type="text/html")
        )
        await page.goto("https://example.com/x")
        assert "asked for https://example.com/x" in await observed.faults(page)


async def test_page_that_is_too_large_is_found(browser: Browser, market: Market) -> None:
    noise = " ".join(str(hash(("noise", number))) for number in range(4_000))
    async with faulty(browser, market, noise) as (page, observed):
        assert any("the page alone has" in fault for fault in await budget_faults(page, observed))


async def test_page_that_shifts_is_found(browser: Browser, market: Market) -> None:
    async with faulty(browser, market, "<p>Text</p>" * 20) as (page, observed):
        await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        await page.evaluate("document.querySelector('h1').style.setProperty('margin-top', '300px')")
        await page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")
        assert any("its layout shifts" in fault for fault in await budget_faults(page, observed))


async def test_page_that_is_too_wide_is_found(browser: Browser, market: Market) -> None:
    async with faulty(browser, market, f"<p>{'W' * 200}</p>") as (page, _):
        assert any("pixels in a window of 390" in fault for fault in await width_faults(page))


async def test_control_without_a_line_is_found(browser: Browser, market: Market) -> None:
    async with faulty(browser, market, '<button type="button">Buy</button>') as (page, _):
        await page.emulate_media(forced_colors="active")
        assert not await control_faults(page)
        await page.evaluate("document.querySelector('button').style.setProperty('border', '0')")
        assert await control_faults(page) == ["button. Buy has no line"]


async def test_page_without_its_parts_is_found(browser: Browser, market: Market) -> None:
    page = "<!doctype html><html><head><title>Holdfast</title></head><body><h1>One</h1><h1>Two</h1>{}</body></html>"
    async with faulty(browser, market, "", page) as (shown, _):
        faults = await structure_faults(shown)
    assert {"the language is not said", "2 of h1", "0 of main"} <= set(faults)


async def test_markup_that_is_not_valid_is_found(vnu: list[str], tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text(GOOD.format('<p hx-get="/">Text</p><div id="main"></div>'))
    faults = await markup_faults(tmp_path, vnu)
    assert any("hx-get" in fault for fault in faults)
    assert any("Duplicate ID" in fault for fault in faults)
