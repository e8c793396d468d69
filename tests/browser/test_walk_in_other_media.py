"""G17: forced colors, reduced motion and print lose no information."""

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.checks import control_faults
from tests.browser.conftest import Opens
from tests.browser.market import Market
from tests.browser.pages import PAGES, Row
from tests.browser.scene import Scene
from tests.browser.test_pages import DESK, shown

# One of each kind: lists, every state of a ticket, countdowns, forms with errors, tables.
STATES = {
    "search",
    "ticket that is held",
    "ticket that one waits for",
    "ticket that is sold",
    "order to pay",
    "order that is complete",
    "sell refused",
    "listings",
    "account",
    "administration",
    "sign-in refused",
}
IN_WORDS = ("Being bought", "Sold", "in line", "Held for you", "Error", "For sale")
ROWS = [row for row in PAGES if row.state in STATES]
MOVES = """() => [...document.body.querySelectorAll("*")].filter((element) => {
  const { transitionDuration, animationName } = getComputedStyle(element);
  return parseFloat(transitionDuration) > 0 || animationName !== "none";
}).length"""


# A field for dates draws the focus of its parts itself.
IS_SEEN = """() => {
  const found = document.activeElement, { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(found);
  if (found === document.body || ["date", "time"].includes(found.type)) return true;
  const ground = getComputedStyle(document.body).backgroundColor;
  return outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 && outlineColor !== ground;
}"""


async def focus_faults(page: Page) -> list[str]:
    """Go through the controls with Tab, and return those whose focus nobody sees."""
    faults = []
    for _ in range(20):
        await page.keyboard.press("Tab")
        if not await page.evaluate(IS_SEEN):
            faults.append(await page.evaluate("document.activeElement.outerHTML"))
    return faults


def test_rows_of_other_media_are_pages() -> None:
    assert {row.state for row in ROWS} == STATES


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.state)
async def test_forced_colors_show_controls_and_states_by_lines_and_words(
    browser: Browser, scene: Scene, row: Row
) -> None:
    faults, said = [], set()
    async with shown(browser, scene, row) as (page, _):
        for scheme in ("light", "dark"):
            for colors in ("none", "active"):
                await page.emulate_media(forced_colors=colors, color_scheme=scheme)
                words = await page.get_by_role("main").aria_snapshot()
                said.add(tuple(word for word in IN_WORDS if word in words))
                found = await control_faults(page) if colors == "active" else []
                faults += [f"{scheme}, {colors}: {fault}" for fault in [*found, *await focus_faults(page)]]
    assert not faults
    assert len(said) == 1


async def test_nothing_moves_for_people_who_asked_for_that(opens: Opens) -> None:
    moving, still = [await opens("/", reduced_motion=motion) for motion in ("no-preference", "reduce")]
    assert await moving.evaluate(MOVES) > 0
    assert await still.evaluate(MOVES) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_printed_receipt_has_all_that_was_bought_and_no_controls(
    market: Market, opens: Opens, scheme: str
) -> None:
    _, buyer, _, order = await market.held(
        title="Hamlet", price=42.5, startsAt="2031-05-01T17:30:00Z", timezone="Europe/Vienna",
        venue="Globe on the Danube", city="Vienna", section="B", row="3", seat="10",
    )  # fmt: skip
    await buyer.pays(order)
    page = await opens(f"/orders/{order['id']}", buyer, color_scheme=scheme, viewport=DESK)
    await expect(page.get_by_role("heading", level=1)).to_have_text("It is yours")
    await page.emulate_media(media="print")
    body = page.locator("body")
    for text in ("Holdfast", "Hamlet", "Thursday, May 1, 2031", "CEST", "Globe on the Danube, Vienna",
                 "Section B, row 3, seat 10", "$42.50", order["id"]):  # fmt: skip
        await expect(body).to_contain_text(text, use_inner_text=True)
    for role in ("button", "link"):
        for control in await page.get_by_role(role).all():
            assert await control.inner_text() == "Holdfast"
    ink, paper = await page.evaluate(
        "[document.querySelector('dt'), document.body].map((each) => getComputedStyle(each).color)"
    )
    for color in (ink, paper):
        assert max(int(part) for part in color[4:-1].split(",")) < 128, "dark ink on white paper"
