"""What a page answers where a part of the server is silent: 503 and "again in a moment", never a 500.

The doors of the API say so in their own form (api.http.errors); this is for everything that they do not see: pages, the
admin, and what fails before or after a view. A fault of ours stays a 500.
"""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import loader
from django.views.defaults import server_error
from redis.exceptions import RedisError

from api.http.errors import RETRY_AFTER_S, Refused
from engine.codes import Code

SILENT = (OperationalError, InterfaceError, RedisError)


def failed(request: HttpRequest) -> HttpResponse:
    """Answer a request that raised: 503 where database or Redis are silent, else 500."""
    if not isinstance(sys.exc_info()[1], SILENT):
        return server_error(request)
    if request.path_info.startswith("/api/"):
        text = "The server cannot answer just now; repeat the request."
        answer: HttpResponse = JsonResponse(Refused(Code.UNAVAILABLE, text).body(), status=503)
    else:
        answer = HttpResponse(loader.get_template("503.html").render(), status=503)
    answer["Retry-After"] = str(RETRY_AFTER_S)
    return answer
