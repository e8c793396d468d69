"""A browser without JavaScript: it opens pages, reads them, and sends their forms."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlsplit

import httpx

from tests.api.world import Person

HEADERS = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
FORM = {**HEADERS, "content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}


@dataclass
class FoundForm:
    """A form of a page: where it is sent, and what is in its fields."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[str] = field(default_factory=list)


class Page(HTMLParser):
    """What a page says, and which forms it has."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self.response = response
        self.status = response.status_code
        self.html = response.text
        self.title = ""
        self.forms: list[FoundForm] = []
        self.links: list[str] = []
        self._texts: list[str] = []
        self._inside: list[str] = []
        self._area = ""
        self.feed(self.html)
        self.text = " ".join(" ".join(self._texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self._inside.append(tag)
        if tag == "form":
            self.forms.append(FoundForm(found.get("action", ""), found.get("method", "get")))
        elif tag == "a":
            self.links.append(found.get("href", ""))
        elif self.forms and tag == "input" and "name" in found:
            if found.get("type") not in ("radio", "checkbox") or "checked" in found:
                self.forms[-1].fields[found["name"]] = found.get("value", "")
        elif self.forms and tag == "textarea":
            self._area = found["name"]
            self.forms[-1].fields[self._area] = ""
        elif self.forms and tag == "button" and found.get("type") != "button":
            self.forms[-1].buttons.append("")

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "title" in self._inside:
            self.title += data
        elif "textarea" in self._inside:
            self.forms[-1].fields[self._area] += data.removeprefix("\n")
        elif "script" not in self._inside:
            self._texts.append(data)
            if "button" in self._inside and self.forms and self.forms[-1].buttons:
                self.forms[-1].buttons[-1] = f"{self.forms[-1].buttons[-1]} {data.strip()}".strip()

    def form(self, action: str) -> FoundForm:
        """The form that is sent to this address."""
        return next(form for form in self.forms if form.action.endswith(action))


async def opens(person: Person, path: str) -> Page:
    """The page at the address, as it is answered."""
    return Page(await person.http.get(path, headers=HEADERS))


async def sends(person: Person, path: str, **fields: str) -> Page:
    """The answer to a form."""
    return Page(await person.http.post(path, data=fields, headers=FORM))


async def submits(person: Person, page: Page, action: str, **fields: str) -> Page:
    """The answer to a form of the page, with these fields filled in."""
    form = page.form(action)
    return await sends(person, form.action, **{**form.fields, **fields})


def leads_to(page: Page) -> str:
    """The address that a form's answer leads to."""
    assert page.status == 303, (page.status, page.text[:500])
    return urlsplit(page.response.headers["location"]).path
