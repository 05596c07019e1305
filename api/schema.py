"""The OpenAPI document: made once in a process, then bytes that were rendered and compressed already.

It is the same for everybody, so it may be kept by caches that ask whether it has changed (ETag).
"""

import gzip
import hashlib
import threading
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from django.utils.cache import patch_vary_headers
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from api.http.jsonio import ExactRenderer

_lock = threading.Lock()
_made: dict[str, "Document"] = {}


@dataclass(frozen=True, slots=True)
class Document:
    """The document in one form."""

    media_type: str
    plain: bytes
    packed: bytes
    tag: str


class JsonRefusals:
    """A mixin of views whose answers have another form: what they refuse is JSON as everywhere."""

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the response; an error leaves the form that was asked for."""
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            request.accepted_renderer = ExactRenderer()
            request.accepted_media_type = ExactRenderer.media_type
        return super().finalize_response(request, response, *args, **kwargs)  # type: ignore[misc]


class Docs(JsonRefusals, SpectacularSwaggerView):
    """The page that shows the document, and lets one try it."""

    permission_classes = [AllowAny]
    http_method_names = ["get", "head"]  # the page has no form for what OPTIONS tells


class Schema(JsonRefusals, SpectacularAPIView):
    """The OpenAPI document, as YAML or with `?format=json` as JSON."""

    permission_classes = [AllowAny]

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        """Return the document, or 304 to whoever has it."""
        renderer = request.accepted_renderer
        document = self._document(renderer)
        packed = "gzip" in request.headers.get("Accept-Encoding", "")
        tag = f'"{document.tag}{"-gzip" if packed else ""}"'
        if tag in request.headers.get("If-None-Match", ""):
            response = HttpResponse(status=304)
        else:
            body = document.packed if packed else document.plain
            response = HttpResponse(body, content_type=document.media_type)
            response["Content-Disposition"] = f'inline; filename="tradingdesk.{renderer.format}"'
            if packed:
                response["Content-Encoding"] = "gzip"
        response["ETag"] = tag
        response["Cache-Control"] = "no-cache"
        patch_vary_headers(response, ["Accept", "Accept-Encoding"])
        return response

    def _document(self, renderer: Any) -> Document:
        found = _made.get(renderer.media_type)
        if found is not None:
            return found
        with _lock:  # whoever comes meanwhile waits for it instead of making another
            found = _made.get(renderer.media_type)
            if found is None:
                schema = self.generator_class(urlconf=self.urlconf).get_schema(request=None, public=True)
                plain = renderer.render(schema, renderer_context={})
                media_type = f"{renderer.media_type}; charset=utf-8"
                tag = hashlib.sha256(plain).hexdigest()[:32]
                found = Document(media_type, plain, gzip.compress(plain), tag)
                _made[renderer.media_type] = found
        return found
