"""The addresses of the server: the admin, the REST API, the health of the parts, the portal."""

from django.contrib import admin
from django.urls import include, path

from tradingdesk import health

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", include("tradingdesk.api_urls")),
    path("healthz", health.healthz, name="healthz"),
    path("metrics", health.metrics, name="metrics"),
    path("", include("portal.urls")),
]

handler500 = "tradingdesk.errors.failed"
