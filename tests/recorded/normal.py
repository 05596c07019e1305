"""What chance and the clock decide is replaced by what it is; all else is left as it came."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from typing import Any

_RULES: tuple[tuple[str, str], ...] = (
    (r"[\w.-]{20,}:\w{6}:[\w-]{43}", "<signed>"),
    (r"-\d{8}-\d{6}\.csv", "-<time>.csv"),
    (r"eyJ[\w-]+\.[\w-]+\.[\w-]+", "<jwt>"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uuid>"),
    (r"\b[0-9a-f]{32}\b", "<hex>"),
    (r"\b[A-Za-z0-9]{64}\b", "<csrf>"),
    (r'("(ticket|refresh)": )"[\w-]{20,}"', r'\1"<secret>"'),
    (r"^: [\w/+.]{6}\*{6,}$", ": <secret>"),
    (r"cursor=[^\"&\s]+", "cursor=<cursor>"),
    (r"nonce-[\w+/=-]+", "nonce-<nonce>"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|\+00:00)?", "<time>"),
    (r"\b20\d\d-\d\d-\d\d\b", "<date>"),
    (r"\b1[789]\d{11}-\d+(:\d+)?\b", "<entry>"),
    (r"\b1[789]\d{11}\b", "<ms>"),
    (r"\b1[789]\d{8}\b", "<s>"),
    (r"\b[0-2]\d:[0-5]\d:[0-5]\d(\.\d+)?\b", "<clock>"),
    (r"(127\.0\.0\.1|localhost):\d+", "<host>"),
    (r"\b(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b", "<weekday>"),
    (r"\b(\d+ (days?|hours?|d|h) )*\d+ (seconds?|minutes?|s|min|ms)( ago| left)?\b", "<span>"),
)
_PATTERNS = [(re.compile(pattern, re.MULTILINE), word) for pattern, word in _RULES]
_HEADERS = (
    "content-type", "allow", "location", "cache-control", "vary", "www-authenticate", "content-disposition", "retry-after",
    "x-frame-options", "referrer-policy",
)  # fmt: skip


def plain(text: str) -> str:
    """Return a text with times, tokens, keys and ports replaced."""
    for pattern, word in _PATTERNS:
        text = pattern.sub(word, text)
    return text


def printed(value: Any) -> str:
    """Return JSON with sorted keys, its numbers as they were written."""
    return plain(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False))


def parsed(raw: bytes | str) -> Any:
    """Return JSON in which numbers with a point keep their digits."""
    return json.loads(raw, parse_float=lambda digits: f"<number> {digits}")


def table(text: str) -> str:
    """Return a CSV file without the columns of which the moment decides: when the desk last looked at a rate."""
    rows = list(csv.reader(io.StringIO(text)))
    left_out = {
        place for row in rows[:1] for place, name in enumerate(row) if name.lower().startswith("last_rate")
    }
    return plain(
        "\n".join("|".join(cell for place, cell in enumerate(row) if place not in left_out) for row in rows)
    )


def headers(found: dict[str, str]) -> str:
    """Return the headers that matter, one a line."""
    return plain("\n".join(f"{name}: {found[name]}" for name in _HEADERS if name in found))


class Outline(HTMLParser):
    """A page as lines of what one reads and can press or fill in; looks and scripts are left out."""

    SILENT = frozenset(("script", "style", "svg", "template"))
    SHOWN = {
        "a": ("href",), "form": ("action", "method"), "input": ("type", "name", "value", "checked", "disabled", "readonly"),
        "button": ("type", "name", "value", "disabled", "formaction"), "select": ("name", "disabled"), "option": ("value", "selected"),
        "textarea": ("name",), "tr": (), "th": (), "td": (), "h1": (), "h2": (), "h3": (), "label": ("for",), "img": ("alt",),
    }  # fmt: skip

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self.depth = 0
        self.script = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.script = ""
        if tag == "script" and given.get("type") == "application/json":
            self.script = given.get("id") or "json"
            return
        if tag in self.SILENT:
            self.depth += 1
        if self.depth or tag not in self.SHOWN:
            return
        shown = {name: given[name] for name in self.SHOWN[tag] if name in given}
        if shown.get("name") in ("csrfmiddlewaretoken", "key"):
            shown["value"] = "<chance>"
        more = {name: value for name, value in given.items() if name.startswith("data-")}
        words = "".join(
            f" {name}" if value is None else f' {name}="{value}"' for name, value in {**shown, **more}.items()
        )
        self.lines.append(f"<{tag}{words}>")

    def handle_endtag(self, tag: str) -> None:
        self.script = ""
        if tag in self.SILENT and self.depth:
            self.depth -= 1

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if self.script and text:
            self.lines.append(f"json {self.script}: {printed(parsed(text))}")
        elif text and not self.depth:
            self.lines.append(text)


def outline(page: str) -> str:
    """Return an HTML page as the lines of its outline."""
    reader = Outline()
    reader.feed(page)
    return plain("\n".join(reader.lines))


class Form(HTMLParser):
    """The fields of a page's forms with the values that a browser would send."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.values: dict[str, list[str]] = {}
        self.links: list[str] = []
        self.select = self.area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, value = given.get("name") or "", given.get("value") or ""
        if tag == "a" and given.get("href"):
            self.links.append(given["href"] or "")
        elif tag == "select":
            self.select = name
        elif tag == "option" and self.select and "selected" in given:
            self.values.setdefault(self.select, []).append(value)
        elif tag == "textarea" and name:
            self.area = name
            self.values[name] = [""]
        elif tag == "input" and name and given.get("type") not in ("submit", "button", "file", "image"):
            if given.get("type") in ("checkbox", "radio") and "checked" not in given:
                return
            self.values.setdefault(name, []).append(
                value or ("on" if given.get("type") == "checkbox" else "")
            )

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self.select = ""
        elif tag == "textarea":
            self.area = ""

    def handle_data(self, data: str) -> None:
        if self.area:
            self.values[self.area][0] += data


def form_of(page: str) -> Form:
    """Return what the page's forms would send, and its links."""
    reader = Form()
    reader.feed(page)
    return reader
