"""The addresses of the server: the admin, the REST API, the health of the parts, the portal."""

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.cache import cache_control

from manager.admin.password import OwnPasswordView
from tradingdesk import health


@cache_control(max_age=86_400, public=True)
def favicon(request: HttpRequest) -> HttpResponse:
    """Return the icon to browsers that ask where no page has named it."""
    icon = (settings.BASE_DIR / "static" / "portal" / "icon.svg").read_bytes()
    return HttpResponse(icon, content_type="image/svg+xml")


_admin_patterns, _admin_app, _admin_name = admin.site.urls
_own_password = path(
    "password_change/",
    admin.site.admin_view(OwnPasswordView.as_view(), cacheable=True),
    name="password_change",
)

urlpatterns = [
    path("favicon.ico", favicon, name="favicon"),
    path("admin/", ([_own_password, *_admin_patterns], _admin_app, _admin_name)),
    path("api/v1/", include("api.urls")),
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("healthz", health.ready, name="healthz"),
    path("metrics", health.metrics, name="metrics"),
    path("", include("portal.urls")),
]

handler500 = "tradingdesk.errors.failed"
