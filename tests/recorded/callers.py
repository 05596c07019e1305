"""Who asks: programs with a token, browsers with a session. Every answer can be written down."""

import http.client
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.recorded.normal import form_of, headers, outline, parsed, plain, printed, table
from tests.recorded.words import PASSWORD


@dataclass
class Answer:
    """What a request was answered."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def text(self) -> str:
        return self.raw.decode(errors="replace")

    @property
    def shown(self) -> str:
        """Return the answer as it is written down."""
        kind = self.headers.get("content-type", "")
        if kind.startswith("application/json"):
            body = printed(parsed(self.raw)) if self.raw else ""
        elif kind.startswith("text/html"):
            body = outline(self.text)
        elif kind.startswith("text/csv"):
            body = table(self.text)
        else:
            body = plain(self.text)
        return "\n".join(part for part in (str(self.status), headers(self.headers), body) if part)


class Notes:
    """The files of a recording."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.visited: set[str] = set()
        self.failures: list[str] = []
        self.count = 0

    def write(self, name: str, what: str, text: str) -> None:
        """Add a paragraph to a file."""
        path = self.folder / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"=== {plain(what)}\n{text}\n\n")

    def answer(self, name: str, what: str, answer: Answer) -> Answer:
        """Write an answer down; nothing of a recording is to be answered with a failure of the server."""
        self.count += 1
        if answer.status >= 500:
            self.failures.append(f"{what}: {answer.status}")
        self.write(name, what, answer.shown)
        return answer


class Caller:
    """One program or browser: keeps its token or its cookies, and its connection."""

    def __init__(self, port: int, name: str, notes: Notes) -> None:
        self.port, self.name, self.notes = port, name, notes
        self.token = ""
        self.cookies: dict[str, str] = {}
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, data: bytes | None = None, **more: str) -> Answer:
        """Return the answer to a request, sent once more where the connection had been ended meanwhile."""
        sent = {name.replace("_", "-"): value for name, value in more.items()}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        for attempt in (1, 2):
            connection = self._connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            self._connection = connection
            try:
                connection.request(method, path, data, sent)
                response = connection.getresponse()
                raw = response.read()
                break
            except (http.client.RemoteDisconnected, ConnectionError):
                connection.close()
                self._connection = None
                if attempt == 2:
                    raise
        for cookie in response.headers.get_all("Set-Cookie") or ():
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, raw)

    # ---- programs ----

    def log_in(self, user: str) -> "Caller":
        """Fetch a token."""
        body = json.dumps({"username": user, "password": PASSWORD}).encode()
        answer = self.ask("POST", "/api/v1/auth/token/", body, Content_Type="application/json")
        assert answer.status == 200, answer
        self.token = answer.json["access"]
        self.cookies = {}
        return self

    def call(self, method: str, path: str, body: Any = None, **more: str) -> Answer:
        """Return the answer to a request of the API; bytes go as they are."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if data is not None:
            more.setdefault("Content_Type", "application/json")
        return self.ask(method, path, data, **more)

    def note(self, file: str, method: str, path: str, body: Any = None, **more: str) -> Answer:
        """Ask the API and write the answer down."""
        said = "" if body is None else f" {body!r}" if isinstance(body, bytes) else f" {json.dumps(body)}"
        extra = "".join(f" {name}={value}" for name, value in more.items())
        answer = self.call(method, path, body, **more)
        return self.notes.answer(file, f"{self.name}: {method} {path}{said}{extra}", answer)

    # ---- browsers ----

    def open_session(self, user: str, door: str) -> "Caller":
        """Log in at a page with a form."""
        page = self.ask("GET", door)
        sent = {name: values[-1] for name, values in form_of(page.text).values.items()}
        answer = self.send(door, {**sent, "username": user, "password": PASSWORD})
        assert answer.status == 302, (user, answer)
        return self

    def send(self, path: str, fields: dict[str, Any]) -> Answer:
        """Send a form with the session's CSRF token."""
        token = self.cookies.get("csrftoken", "")
        data = urlencode({**fields, "csrfmiddlewaretoken": token}, doseq=True).encode()
        return self.ask(
            "POST", path, data, Content_Type="application/x-www-form-urlencoded",
            Origin=f"http://127.0.0.1:{self.port}", Referer=f"http://127.0.0.1:{self.port}{path}",
        )  # fmt: skip

    def note_page(self, file: str, path: str) -> Answer:
        """Open a page and write down its outline."""
        return self.notes.answer(file, f"{self.name}: GET {path}", self.ask("GET", path))

    def note_form(self, file: str, path: str, fields: dict[str, Any]) -> Answer:
        """Send a form, follow it once, and write down both answers."""
        said = {name: value for name, value in fields.items() if name != "csrfmiddlewaretoken"}
        answer = self.notes.answer(
            file, f"{self.name}: POST {path} {json.dumps(said)}", self.send(path, fields)
        )
        if answer.status == 302:
            where = urlsplit(answer.headers["location"])
            self.note_page(file, where.path + (f"?{where.query}" if where.query else ""))
        return answer
