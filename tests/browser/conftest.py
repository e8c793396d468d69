"""One browser and two markets for all tests of pages: one as markets are, and one whose holds end after seconds."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.api.world import Person
from tests.browser.fetch_tools import AXE, VNU
from tests.browser.market import Market, served_market
from tests.browser.scene import Scene, set_the_scene

FAST_SECONDS = 6
Opens = Callable[..., Awaitable[Page]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "browser":
            item.add_marker(pytest.mark.browser)


@asynccontextmanager
async def _launched(*programs: str) -> AsyncIterator[Browser]:
    """The first of these browsers that the system has. Playwright's default forbids to keep pages for Back."""
    path = next(filter(None, map(shutil.which, programs)), None)
    if path is None:
        pytest.skip(f"there is no browser here: apt-get install {programs[0]}")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox"],  # root has none in containers
            ignore_default_args=["--disable-back-forward-cache"],
        )
        yield chromium
        await chromium.close()


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium without windows, which takes half of the processor time: around each page Chromium draws its toolbar."""
    async with _launched("chromium-headless-shell", "chromium") as chromium:
        yield chromium


@pytest.fixture(scope="session")
async def browser_that_keeps_pages() -> AsyncIterator[Browser]:
    """Chromium, which keeps pages for Back as people's browsers do. Without windows it does not."""
    async with _launched("chromium") as chromium:
        yield chromium


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    if not AXE.path.exists():
        pytest.skip("axe-core is not here: make browser fetches it, with npm")
    return AXE.path.read_text()


@pytest.fixture(scope="session")
def vnu() -> list[str]:
    """The command of the HTML checker."""
    java = shutil.which("java")
    if java is None or not VNU.path.exists():
        pytest.skip("vnu is not here: make browser fetches it, with npm; it runs on Java")
    return [java, "-jar", str(VNU.path), "--format", "json", "--stdout", "--exit-zero-always"]


@pytest.fixture(scope="session")
async def market(mongodb_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Market]:
    """A market as it is by default."""
    async with served_market(mongodb_url, redis_url, tmp_path_factory.mktemp("market")) as served:
        yield served


@pytest.fixture(scope="session")
async def fast_market(
    mongodb_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Market]:
    """A market whose holds end after FAST_SECONDS, and whose payments in time have two seconds more."""
    settings = {"reservation_seconds": FAST_SECONDS, "payment_grace_seconds": 2}
    async with served_market(mongodb_url, redis_url, tmp_path_factory.mktemp("fast"), **settings) as served:
        yield served


@pytest.fixture(scope="session")
async def card_market(
    mongodb_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Market]:
    """A market of a real account, as its pages see it. A declined card may be followed by another one."""
    settings = {"stripe_publishable_key": "pk_test_of_tests", "payment_attempts": 2}
    async with served_market(mongodb_url, redis_url, tmp_path_factory.mktemp("cards"), **settings) as served:
        yield served


@pytest.fixture(scope="session")
async def scene(market: Market, card_market: Market) -> Scene:
    """People, tickets and orders in every state that pages show."""
    return await set_the_scene(market, card_market)


@asynccontextmanager
async def _windows(browser: Browser, market: Market) -> AsyncIterator[Opens]:
    async with AsyncExitStack() as windows:

        async def opened(address: str, person: Person | None = None, *, at: Market = market, **options: object) -> Page:
            context: BrowserContext = await at.context(browser, person, **options)
            windows.push_async_callback(context.close)
            page = await context.new_page()
            await page.goto(address)
            return page

        yield opened


@pytest.fixture
async def opens(browser: Browser, market: Market) -> AsyncIterator[Opens]:
    """Opens an address in a window of the person's own: `await opens("/", person, locale="de-DE")`."""
    async with _windows(browser, market) as opens:
        yield opens


@pytest.fixture
async def opens_and_keeps(browser_that_keeps_pages: Browser, market: Market) -> AsyncIterator[Opens]:
    """As `opens`, for tests that go back."""
    async with _windows(browser_that_keeps_pages, market) as opens:
        yield opens
