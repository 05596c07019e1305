"""The addresses of the server: the admin, the REST API, the health of the parts, the portal."""

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.cache import cache_control

from tradingdesk import health


@cache_control(max_age=86_400, public=True)
def favicon(request: HttpRequest) -> HttpResponse:
    """Return the icon to browsers that ask where no page has named it."""
    icon = (settings.BASE_DIR / "static" / "portal" / "icon.svg").read_bytes()
    return HttpResponse(icon, content_type="image/svg+xml")


urlpatterns = [
    path("favicon.ico", favicon, name="favicon"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("tradingdesk.api_urls")),
    path("healthz", health.healthz, name="healthz"),
    path("metrics", health.metrics, name="metrics"),
    path("", include("portal.urls")),
]

handler500 = "tradingdesk.errors.failed"
