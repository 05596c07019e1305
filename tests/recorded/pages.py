"""Every page of the admin as every role, and the client's pages, as outlines."""

import re
from urllib.parse import urlsplit

from tests.recorded.callers import Caller
from tests.recorded.normal import form_of
from tests.recorded.words import HEDGING
from tests.recorded.world import World

MODEL = re.compile(r"^/admin/([a-z_]+)/([a-z_]+)/$")
#: Records of a model that are opened, newest first.
RECORDS = 6
FILTERS = 12
PARTS = (
    "add/",
    "csv/",
    "?q=1001",
    "?q=EURUSD",
    "?o=1",
    "?o=-2",
    "?p=2",
    "?all=",
    "?nothing=1",
    "?login=1001",
)
#: Where only the shape of numbers is fixed: they measure the machine.
MEASURED = re.compile(r"-?\d[\d,.]*")
ROLES = (
    "staff-dealer", "staff-head-dealer", "staff-risk", "staff-clerk", "staff-cashier", "staff-compliance", "staff-auditor",
    "staff-support", "staff-settings",
)  # fmt: skip
CLIENT_PAGES = (
    "/",
    "/login/",
    "/password/",
    "/password/done/",
    "/logout/",
    "/nothing/",
    "/favicon.ico",
    "/health/live",
)
SETTINGS = {
    "markets/symbol/EURUSD": {"stops_level": "12", "swap_multipliers": "[1,1,1,1,1,1,1]", "holidays": "[]", "sessions": ""},
    "accounts/group/hedging": {"margin_call": "110"},
    f"accounts/account/{HEDGING}": {"name": "Renamed"},
}  # fmt: skip


class Admin:
    """Walks through the admin; `models` are those whose lists were seen."""

    def __init__(self, world: World) -> None:
        self.world, self.notes = world, world.notes
        self.models: set[str] = set()
        self.keys: dict[str, list[str]] = {}

    def walk(self, *, thorough: bool = True) -> None:
        """Open everything as the superuser, then lists and one record of each model as each role."""
        index = self.world.staff.ask("GET", "/admin/")
        self.notes.write(
            "admin/index", "superuser", "\n".join(MEASURED.sub("#", line) for line in index.shown.split("\n"))
        )
        links = [urlsplit(link).path for link in form_of(index.text).links]
        models = sorted({link for link in links if MODEL.match(link)} | self._registered())
        for path in models:
            self._model(self.world.staff, path, thorough=thorough)
        self._settings()
        self._frame()
        roles = ROLES if thorough else ROLES[:1]
        for user in roles:
            browser = self.world.browser(user)
            for path in models:
                self._as_role(browser, path, thorough=thorough)

    def _registered(self) -> set[str]:
        """Return the lists of the models that have rights, whether the first page links to them or not."""
        rows = self.world.stack.rows("SELECT app_label, model FROM django_content_type")
        found = set()
        for label, model in rows:
            path = f"/admin/{label}/{model}/"
            if self.world.staff.ask("GET", path).status == 200:
                found.add(path)
        return found

    def _file(self, path: str, who: str) -> str:
        return f"admin/{who}/{'-'.join(path.strip('/').split('/')[1:3])}"

    def _model(self, browser: Caller, path: str, *, thorough: bool) -> None:
        file = self._file(path, "superuser")
        page = browser.note_page(file, path)
        self.models.add(path)
        links = form_of(page.text).links
        keys = dict.fromkeys(
            match[1] for link in links if (match := re.fullmatch(rf"{path}([^/?]+)/change/", urlsplit(link).path))
        )  # fmt: skip
        self.keys[path] = list(keys)
        for name in PARTS if thorough else PARTS[:3]:
            browser.note_page(file, path + name)
        filters = [link for link in links if link.startswith("?") and not re.match(r"\?(o|p|q|all)=", link)]
        for link in list(dict.fromkeys(filters))[: FILTERS if thorough else 0]:
            browser.note_page(f"{file} filters", path + link)
        for key in self.keys[path][: RECORDS if thorough else 1]:
            record = browser.note_page(f"{file} records", f"{path}{key}/change/")
            browser.note_page(f"{file} records", f"{path}{key}/history/")
            browser.note_page(f"{file} records", f"{path}{key}/delete/")
            for link in dict.fromkeys(urlsplit(one).path for one in form_of(record.text).links):
                action = re.fullmatch(rf"{path}{re.escape(key)}/([a-z_-]+)/", link)
                if action and action[1] not in ("change", "history", "delete"):
                    browser.note_page(f"{file} actions", link)
        browser.note_page(f"{file} records", f"{path}999999999/change/")

    def _as_role(self, browser: Caller, path: str, *, thorough: bool) -> None:
        file = self._file(path, browser.name)
        browser.note_page(file, path)
        browser.note_page(file, f"{path}add/")
        if thorough:
            browser.note_page(file, f"{path}csv/")
        for key in self.keys[path][: 2 if thorough else 0]:
            browser.note_page(file, f"{path}{key}/change/")

    def _settings(self) -> None:
        """Change a setting of each kind by its form, a wrong value first."""
        for name, changes in SETTINGS.items():
            file, path = f"admin/settings/{name.split('/')[1]}", f"/admin/{name}/change/"
            page = self.world.staff.note_page(file, path)
            values = form_of(page.text).values
            first = next(iter(changes))
            self.world.staff.note_form(
                file, path, {**values, **changes, first: "\x00" if "name" in changes else "x"}
            )
            self.world.staff.note_form(file, path, {**values, **changes})
            self.world.staff.note_page(file, f"/admin/{name}/history/")

    def _frame(self) -> None:
        for path in (
            "search/?s=1001", "search/?s=nothing", "accounts/", "nothing/", "password_change/", "accounts/account/mass/",
            "autocomplete/?app_label=auth&model_name=user&field_name=x&term=a", "dealing/halt/turn/",
        ):  # fmt: skip
            self.world.staff.note_page("admin/frame", f"/admin/{path}")
        rows = {"action": "disable", "_selected_action": [str(HEDGING), "1002"], "index": "0"}
        self.world.staff.note_form("admin/frame", "/admin/accounts/account/", rows)
        for action in ("close_all", "cancel_all", "move_group", "no_such_action"):
            self.world.staff.note_form("admin/frame", "/admin/accounts/account/", {**rows, "action": action})


def client_pages(world: World) -> None:
    """Open the client's pages as nobody, as a client and as staff."""
    nobody = world.caller("nobody")
    client = world.caller("owner").open_session("owner", "/login/")
    for browser in (nobody, client, world.staff):
        for path in CLIENT_PAGES:
            if path != "/logout/":
                browser.note_page(f"pages/{browser.name}", path)
    for path in ("/admin/", "/admin/accounts/account/", "/api/v1/accounts/"):
        nobody.note_page("pages/closed doors", path)
        client.note_page("pages/closed doors", path)
    nobody.note_form("pages/closed doors", "/login/", {"username": "owner", "password": "wrong"})
    metrics = world.anonymous.ask("GET", "/metrics").text
    names = sorted({line.split()[2] for line in metrics.splitlines() if line.startswith("# TYPE")})
    world.notes.write("pages/metrics", "names", "\n".join(names))
    ready = world.anonymous.ask("GET", "/health/ready")
    world.notes.write("pages/health", "ready", f"{ready.status}\n{MEASURED.sub('#', ready.shown)}")
