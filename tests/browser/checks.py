"""What every page has to keep. Each check returns the faults that it finds, in words."""

import asyncio
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Page, Request, Response

AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
FIRST_VISIT_BYTES, FIRST_VISIT_REQUESTS = 60_000, 6
NEXT_PAGE_BYTES = 15_000
LARGEST_SHIFT = 0.02
# The proxy in front of every market compresses these, as `config/haproxy.sh` says.
_COMPRESSED = ("text/", "application/json", "image/svg+xml", "application/manifest+json")
_GZIP_LEVEL = 1

# Runs before anything of the page does, so that nothing is missed.
_LISTENERS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy violated: ${event.violatedDirective} by ${event.blockedURI || "inline code"}`));
window.shifted = 0;
new PerformanceObserver((list) => { for (const entry of list.getEntries()) window.shifted += entry.value; })
  .observe({ type: "layout-shift", buffered: true });
"""
# A violation is said by an event, which may come after the page is loaded: it is there once the next frame is drawn.
_WHEN_DRAWN = "new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"


@dataclass
class Observed:
    """What a window asked for and complained about since `watch`."""

    origin: str
    also: tuple[str, ...] = ()
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)

    async def faults(self, page: Page) -> list[str]:
        """Return errors of the console, violations of the policy, and requests to others, once the page is drawn."""
        await page.evaluate(_WHEN_DRAWN)
        return [*self.complaints, *(f"asked for {url}" for url in self.foreign)]

    async def sizes(self) -> dict[str, int]:
        """Return the bytes of each answer as they cross the wire, by address. The live stream has no end, and none.

        What others send is their matter.
        """
        sizes: dict[str, int] = {}
        for response in self.responses:
            if urlsplit(response.url).path.startswith("/live") or response.status in {303, 304}:
                continue
            if self.also and response.url.startswith(self.also):
                continue
            body = await response.body()
            head = response.headers
            is_small = head.get("content-type", "").startswith(_COMPRESSED) and "no-transform" not in head.get(
                "cache-control", ""
            )
            sizes[response.url] = len(gzip.compress(body, _GZIP_LEVEL)) if is_small else len(body)
        return sizes


async def watch(context: BrowserContext, origin: str, also: tuple[str, ...] = ()) -> Observed:
    """Begin to observe a window. To be called before its first page is opened.

    Its pages may ask the origin, and the addresses that begin with one of `also`: those may be away as well.
    """
    observed = Observed(origin, also)
    pages: set[str] = set()

    def on_console(message: ConsoleMessage) -> None:
        # That the page itself has an error's status is no fault of it, nor that somebody else does not answer.
        url = message.location["url"]
        is_excused = url in pages or url.startswith(also)
        is_excused = is_excused and message.text.startswith("Failed to load resource")
        if message.type in {"error", "warning"} and not is_excused:
            observed.complaints.append(message.text)

    def on_request(request: Request) -> None:
        if request.is_navigation_request():
            pages.add(request.url)
        if not request.url.startswith((f"{origin}/", "data:", "about:", "blob:", *also)):
            observed.foreign.append(request.url)

    context.on("console", on_console)
    context.on("weberror", lambda error: observed.complaints.append(str(error.error)))
    context.on("request", on_request)
    context.on("response", lambda response: observed.responses.append(response))  # noqa: PLW0108 - built-ins are refused
    await context.add_init_script(_LISTENERS)
    return observed


async def accessibility_faults(page: Page, axe: str, *, only_colors: bool = False) -> list[str]:
    """Return what axe-core finds on the page as it is shown now, or what its rules of colors find."""
    if not await page.evaluate("() => 'axe' in window"):
        await page.evaluate(axe)
    found = await page.evaluate(
        """([tags, onlyColors]) => {
          const ofColors = axe.getRules(tags).filter((rule) => rule.tags.includes("cat.color"));
          const runOnly = onlyColors ? ofColors.map((rule) => rule.ruleId) : tags;
          return axe.run(document, { runOnly, resultTypes: ["violations"] }).then((result) => result.violations);
        }""",
        [AXE_TAGS, only_colors],
    )
    return [
        f"{violation['id']}: {violation['help']}: {', '.join(str(node['target']) for node in violation['nodes'])}"
        for violation in found
    ]


async def structure_faults(page: Page) -> list[str]:
    """Return what is missing of language, title, headings, landmarks and the way to the content (G1, G2)."""
    faults: list[str] = await page.evaluate(
        """() => {
          const faults = [];
          const count = (selector, number) => {
            const found = document.querySelectorAll(selector).length;
            if (found !== number) faults.push(`${found} of ${selector}`);
          };
          if (document.documentElement.lang !== "en") faults.push("the language is not said");
          if (!document.title.endsWith(" · Holdfast")) faults.push(`title ${document.title}`);
          if (document.querySelector("[aria-invalid=true]") && !document.title.includes("Error: ")) {
            faults.push("the title does not say that there is an error");
          }
          for (const one of ["h1", "main", "body > header", "body > footer", "nav[aria-label=Main]"]) count(one, 1);
          return faults;
        }"""
    )
    await page.evaluate("document.activeElement.blur()")
    await page.keyboard.press("Tab")
    # A page of an error begins at its summary, and Tab goes on from there; all others begin at the top.
    if not await page.locator("[data-focus]").count():
        if await page.evaluate("document.activeElement.textContent") != "Skip to content":
            faults.append("the first Tab is not the way to the content")
        await page.keyboard.press("Enter")
        if await page.evaluate("document.activeElement.id") != "main":
            faults.append("the way to the content does not lead there")
    return faults


async def width_faults(page: Page) -> list[str]:
    """Return what has to be scrolled sideways or is cut off, as the page is shown now (G4)."""
    faults: list[str] = await page.evaluate(
        """() => {
          const faults = [];
          const width = document.documentElement.scrollWidth;
          if (width > innerWidth) {
            const wide = [...document.body.querySelectorAll("*")].filter(
              (element) => element.getBoundingClientRect().right > innerWidth + 1).map(
              (element) => `${element.localName}.${element.className}`);
            faults.push(`${width} pixels in a window of ${innerWidth}: ${wide.slice(-4).join(" ")}`);
          }
          const shown = "*:not(.visually-hidden, .skip, input, textarea, svg, svg *)";
          for (const element of document.body.querySelectorAll(shown)) {
            const style = getComputedStyle(element);
            const { clientWidth, scrollWidth } = element;
            if (["hidden", "clip"].includes(style.overflowX) && clientWidth && scrollWidth > clientWidth + 1) {
              faults.push(`${element.localName}.${element.className} is cut off`);
            }
          }
          for (const button of document.querySelectorAll("button.main, a.button.main")) {
            const { height } = button.getBoundingClientRect();
            if (height && height < 44) faults.push(`${button.textContent.trim()} is ${height} pixels high`);
          }
          return faults;
        }"""
    )
    return faults


async def control_faults(page: Page) -> list[str]:
    """Return controls and parts that no line tells from text, for forced colors: they have no backgrounds (G17)."""
    faults: list[str] = await page.evaluate(
        """() => {
          const faults = [];
          const isLine = (width, style, color, ground) => parseFloat(width) > 0 && style !== "none" && color !== ground;
          const parts = "button, a.button, select, textarea, input:not([type=radio], [type=checkbox], [type=hidden])"
            + ", .card, .note, .panel, .badge, .countdown, [aria-current]";
          for (const part of document.body.querySelectorAll(parts)) {
            if (!part.checkVisibility()) continue;
            const own = getComputedStyle(part);
            const hasBorder = isLine(own.borderTopWidth, own.borderTopStyle, own.borderTopColor, own.backgroundColor);
            if (!hasBorder && own.textDecorationLine !== "underline") {
              faults.push(`${part.localName}.${part.className} ${part.textContent.trim().slice(0, 20)} has no line`);
            }
          }
          return faults;
        }"""
    )
    return faults


async def enlarge_text(page: Page) -> None:
    """Show all text at 200 %."""
    await page.evaluate("document.documentElement.style.setProperty('font-size', '200%')")


async def budget_faults(page: Page, observed: Observed) -> list[str]:
    """Return what is beyond the budget of a first visit, and of this page when the rest is there already (G6)."""
    sizes = await observed.sizes()
    own = sizes.get(page.url.partition("#")[0], 0)
    shift = await page.evaluate("window.shifted")
    found = {
        f"{sum(sizes.values())} bytes": sum(sizes.values()) > FIRST_VISIT_BYTES,
        f"{len(sizes)} requests: {sorted(sizes)}": len(sizes) > FIRST_VISIT_REQUESTS,
        f"the page alone has {own} bytes": own > NEXT_PAGE_BYTES,
        f"its layout shifts by {shift:.3f}": shift > LARGEST_SHIFT,
    }
    return [fault for fault, is_over in found.items() if is_over]


async def markup_faults(folder: Path, command: Sequence[str]) -> list[str]:
    """Return what the HTML checker says of all files in a folder. It starts once for all: that takes two seconds."""
    process = await asyncio.create_subprocess_exec(
        *command, "--skip-non-html", str(folder), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    messages = json.loads(output)["messages"]
    return [
        f"{Path(message['url']).name}:{message.get('lastLine')}: {message['message']} {message.get('extract', '')}"
        for message in messages
        if message["type"] == "error"
    ]
