"""Django's settings: everything that a deployment changes comes from the environment.

    DATABASE_URL   postgres://user:password@host:port/name
    REDIS_URL      redis://host:port/0
    DESK_DATA      data folder (default ./.desk): the secret key, embedded services, logs
    SECRET_KEY     at least 32 characters; without it a key is made once and kept in the data folder
    DEBUG          0 (default) or 1
    ALLOWED_HOSTS  comma separated (default: this machine's own names)
    HTTPS          1: cookies, redirects and HSTS as a server behind TLS wants them
    PROXY_COUNT    proxies in front, each of which adds to X-Forwarded-For (default 0)

It promises that the defaults are safe to show to a network. It holds no rules of trading;
those are rows (symbols, groups) and the engine.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from engine.tickets import MAX_SHARDS
from manager.unfold import UNFOLD  # noqa: F401 - the look of the admin and its side bar
from tradingdesk.lanes import CONNECTIONS
from tradingdesk.logs import configure_logs
from tradingdesk.probes import EVERY_PART
from tradingdesk.secret import KeyTooShort, key_of

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
DESK_DATA = Path(env.str("DESK_DATA", default=str(BASE_DIR / ".desk"))).absolute()

DEBUG = env.bool("DEBUG", default=False)
try:
    SECRET_KEY = key_of(os.environ, DESK_DATA)
except KeyTooShort as refusal:
    raise ImproperlyConfigured(str(refusal)) from None
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
HTTPS = env.bool("HTTPS", default=False)
PROXY_COUNT = env.int("PROXY_COUNT", default=0)  # credentials/address.py
if PROXY_COUNT < 0:
    raise ImproperlyConfigured(f"PROXY_COUNT={PROXY_COUNT}: 0 or the number of proxies in front is needed")

# ---- health ----
# What there has to be for /health/ready: of database, redis, desk, workers, beat, feed.
HEALTH_PARTS = env.list("HEALTH_PARTS", default=list(EVERY_PART))
if unknown := sorted(set(HEALTH_PARTS) - set(EVERY_PART)):
    raise ImproperlyConfigured(f"HEALTH_PARTS: {', '.join(unknown)} is none of {', '.join(EVERY_PART)}")

# ---- what the desk reads ----
DESK_SHARDS = env.int("DESK_SHARDS", default=0)  # what this process believes; 0: what the database says
if "DESK_SHARDS" in env.ENVIRON and not 1 <= DESK_SHARDS <= MAX_SHARDS:
    raise ImproperlyConfigured(f"DESK_SHARDS={DESK_SHARDS}: 1 to {MAX_SHARDS} shards are possible")
DESK_BATCH = env.int("DESK_BATCH", default=256)
DESK_CLOCK = env.str("DESK_CLOCK", default="wall")  # "wall" or "events"
DESK_CLOCK_OFFSET_MS = env.int(
    "DESK_CLOCK_OFFSET_MS", default=0
)  # for tests: how wrong this process's clock is
DESK_LINGER_MS = env.int("DESK_LINGER_MS", default=50)  # how long a batch of mere quotes may wait for more
DESK_CHANNEL_PREFIX = env.str("DESK_CHANNEL_PREFIX", default="")  # keeps what a scratch desk publishes apart
BUILD_ID = env.str("BUILD_ID", default="")  # which build of the program this is, for the lease
DESK_GAP_LIMIT_S = env.int("DESK_GAP_LIMIT_S", default=5)  # 0: never a gap
DESK_DAYS_KEPT = env.int("DESK_DAYS_KEPT", default=30)  # for which inputs and ticks stay; 0: none are written
if DESK_DAYS_KEPT < 0:
    raise ImproperlyConfigured(f"DESK_DAYS_KEPT={DESK_DAYS_KEPT}: a number of days, or 0 to keep nothing")
DESK_TICKS = Path(env.str("DESK_TICKS", default=str(DESK_DATA / "ticks"))).absolute()
DESK_PLUGINS: list[dict[str, Any]] = env.json("DESK_PLUGINS", default=[])

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "credentials",
    "markets",
    "accounts",
    "orders",
    "positions",
    "dealing",
    "gateways",
    "plugins",
    "realtime",
    "manager",
    "portal",
    "scenario",
    "live",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "tradingdesk.middleware.FacePolicyMiddleware",
    "tradingdesk.health.HealthMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "manager.renewal.RenewalMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "credentials.sessions.EpochMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "tradingdesk.middleware.LockedOutMiddleware",
]

ROOT_URLCONF = "tradingdesk.urls"
ASGI_APPLICATION = "tradingdesk.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# ---- PostgreSQL and Redis ----
DATABASES = {
    "default": env.db_url("DATABASE_URL", default="postgres://tradingdesk@127.0.0.1:5432/tradingdesk")
}
DATABASES["default"]["CONN_MAX_AGE"] = 0
if env.bool("DATABASE_POOL", default=False):
    # Kept connections of daphne's many threads would never come back; a pool lends and takes back.
    # While PostgreSQL is away the pool tries less and less often: an attempt must end before those who wait for it do,
    # so that the next request begins a new one. What broke meanwhile is not lent out.
    DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {
        "min_size": 1,
        "max_size": CONNECTIONS,
        "timeout": 5,
        "reconnect_timeout": 4,
    }
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = env.str("REDIS_URL", default="redis://127.0.0.1:6379/0")
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}

# ---- Celery: see reliability of the desk's lease in docs/adr ----
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "health_check_interval": 10,
    "socket_keepalive": True,
    # A test or a second installation on the same Redis keeps its queues apart by this prefix.
    "global_keyprefix": env.str("CELERY_KEY_PREFIX", default=""),
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "celery"
CELERY_TASK_ROUTES = {
    "dealing.tasks.engine_shard": {"queue": "engine"},
    "dealing.tasks.ensure_shards": {"queue": "engine"},
}
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
# A message waits in the queue for a free slot; taken ahead, it would starve the second shard.
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_IMPORTS = ["tradingdesk.tasks"]
CELERY_BEAT_SCHEDULE = {
    "a desk for every shard": {
        "task": "dealing.tasks.ensure_shards",
        "schedule": 2.0,
        "options": {"expires": 2, "queue": "engine"},
    },
    # Hints get lost: what waits or was left behind is looked for.
    "mass actions": {"task": "manager.tasks.take_up_jobs", "schedule": 5.0, "options": {"expires": 5}},
    "old events": {"task": "dealing.tasks.sweep", "schedule": 3600.0, "options": {"expires": 3600}},
    "old logins": {"task": "tradingdesk.tasks.tidy", "schedule": 3600.0, "options": {"expires": 3600}},
}

# ---- who one is ----
AUTHENTICATION_BACKENDS = ["credentials.backend.PasswordBackend"]
PASSWORD_HASHERS = [
    "credentials.hashers.Argon2",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "portal:login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
# How often a password may be tried, at all doors together: see credentials/limits.py.
API_LOGIN_RATE = env.int("API_LOGIN_RATE", default=60)  # attempts to log in a minute from one address
LOGIN_FAILURES_PAIR = env.int("LOGIN_FAILURES_PAIR", default=5)  # of one name from one address
LOGIN_FAILURES_ADDRESS = env.int("LOGIN_FAILURES_ADDRESS", default=30)  # of all names from one address
LOGIN_FAILURES_NAME = env.int("LOGIN_FAILURES_NAME", default=20)  # of one name from addresses new to its user
LOGIN_LOCK_S = env.int("LOGIN_LOCK_S", default=900)  # how long failures count, and a lock stands

# ---- what one caller may take: docs/operations.md ----
LIMIT_STRANGER = env.float(
    "LIMIT_STRANGER", default=20
)  # requests a second of an address that has not logged in
LIMIT_MISSES = env.float("LIMIT_MISSES", default=10)  # answers of no use (unknown page, malformed) a second
LIMIT_COST_USER = env.float("LIMIT_COST_USER", default=150)  # units of cost a second, tradingdesk/routes.py
LIMIT_COST_ADDRESS = env.float("LIMIT_COST_ADDRESS", default=600)
LIMIT_SOCKETS = env.float("LIMIT_SOCKETS", default=10)  # WebSockets that an address opens in a second
LIMIT_CONNECTIONS = env.int("LIMIT_CONNECTIONS", default=4000)
LIMIT_CONNECTIONS_ADDRESS = env.int("LIMIT_CONNECTIONS_ADDRESS", default=100)
LIMIT_HEADER_S = env.float("LIMIT_HEADER_S", default=10)  # until the headers of a request are whole
LIMIT_BODY_S = env.float(
    "LIMIT_BODY_S", default=10
)  # until its body is, and longer by what came at 4 KiB a second
LIMIT_IDLE_S = env.float("LIMIT_IDLE_S", default=60)  # between two requests of a connection
LIMIT_BODY = env.int("LIMIT_BODY", default=65_536)  # bytes
LIMIT_BODY_ADMIN = env.int("LIMIT_BODY_ADMIN", default=8_388_608)  # below /admin/, with a session: files
for _name in [name for name in dir() if name.startswith("LIMIT_")]:
    if globals()[_name] <= 0:
        raise ImproperlyConfigured(f"{_name}={globals()[_name]}: a number above 0 is needed")

# ---- several web processes: what each inherits from the supervisor (tradingdesk/web.py) ----
WEB_INDEX = env.int("WEB_INDEX", default=0)  # which of them this one is
WEB_COUNT = env.int("WEB_COUNT", default=1)
WEB_SOCKET = env.int("WEB_SOCKET", default=-1)  # the descriptor of the socket on which all of them listen
WEB_MEMORY = env.int("WEB_MEMORY", default=-1)  # that of the memory in which they count together

# ---- REST ----
API_USER_RATE = env.int("API_USER_RATE", default=200)  # requests a second of one user
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "credentials.bearer.Bearer",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "api.http.parameters.KnownParameters",
    ],
    "DEFAULT_RENDERER_CLASSES": ["api.http.jsonio.ExactRenderer"],
    "DEFAULT_PARSER_CLASSES": ["api.http.jsonio.StrictParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "api.http.jsonio.AlwaysJson",
    "EXCEPTION_HANDLER": "api.http.errors.handle",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=10),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=1),
    "ALGORITHM": "HS256",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "tradingdesk",
    "DESCRIPTION": "Orders, positions, smart orders, quotes and account state.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "api.http.openapi.complete",
    ],
}

# ---- pages ----
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(DESK_DATA / "static")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
# Files straight from the sources, without collecting them first.
WHITENOISE_USE_FINDERS = env.bool("STATIC_FINDERS", default=DEBUG)
WHITENOISE_AUTOREFRESH = DEBUG
LANGUAGE_CODE = "en"
USE_I18N = True
FORMAT_MODULE_PATH = ["manager.formats"]
TIME_ZONE = "UTC"
USE_TZ = True

# ---- what a browser may do with our pages ----
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^healthz$", r"^metrics$"]  # asked from inside, without TLS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
if PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

LOGGING_CONFIG = None
configure_logs(level=env.str("LOG_LEVEL", default="INFO"), as_json=env.bool("LOG_JSON", default=False))
