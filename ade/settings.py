"""Settings. Every environment variable is read here and only here; README.md has the table."""

from __future__ import annotations

import sys
from pathlib import Path

import dj_database_url
from cryptography.fernet import Fernet
from csp.constants import NONCE, NONE, SELF

from ade import environment as env
from ade.logs import logging_config

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "0.1.0"

ADE_HOST = env.text("ADE_HOST", "127.0.0.1")
ADE_PORT = env.whole("ADE_PORT", 8283, least=1)
TESTING = "pytest" in sys.modules
ADE_DATA_DIR = Path(env.text("ADE_DATA_DIR") or (env.throwaway_directory() if TESTING else BASE_DIR / "data")).resolve()
ADE_DATA_DIR.mkdir(parents=True, exist_ok=True)
ADE_API_KEY = env.text("ADE_API_KEY")
ADE_ADMIN_PASSWORD = env.text("ADE_ADMIN_PASSWORD")
ADE_TOOL_TIMEOUT = env.seconds("ADE_TOOL_TIMEOUT", 60.0)
ADE_MAX_CALLS = env.whole("ADE_MAX_CALLS", 64, least=1)
ADE_MAX_FILE_BYTES = env.whole("ADE_MAX_FILE_BYTES", 50 * 1024 * 1024, least=1)
ADE_MAX_RUNS = env.whole("ADE_MAX_RUNS", 400, least=1)
ADE_WORKER = env.switch("ADE_WORKER", default=True)
ADE_HEARTBEAT_SECONDS = env.seconds("ADE_HEARTBEAT_SECONDS", 2.0)
ADE_LEASE_SECONDS = env.seconds("ADE_LEASE_SECONDS", 8.0)
ADE_GRACE_SECONDS = env.seconds("ADE_GRACE_SECONDS", 5.0)
ADE_RETENTION_DAYS = env.whole("ADE_RETENTION_DAYS", 0)
ADE_METRICS_TOKEN = env.text("ADE_METRICS_TOKEN")
ADE_METRICS_HOST = env.text("ADE_METRICS_HOST", "127.0.0.1")
ADE_METRICS_PORT = env.whole("ADE_METRICS_PORT", 0)
# Its other variables are read by OpenTelemetry itself.
OTEL_EXPORTER_OTLP_ENDPOINT = env.text("OTEL_EXPORTER_OTLP_ENDPOINT")
ADE_PUBLIC_URL = env.text("ADE_PUBLIC_URL").rstrip("/")
# Where the tools of this process reach the API: its own address, unless a worker runs without a web server.
ADE_API_URL = env.text("ADE_API_URL").rstrip("/")
ADE_TOOL_PATHS = tuple(env.listed("ADE_TOOL_PATHS"))
ADE_SANDBOX = env.choice("ADE_SANDBOX", ("auto", "strict", "bwrap"))
# Off: whoever may add a server could start any program on this machine.
ADE_MCP_STDIO = env.switch("ADE_MCP_STDIO", default=False)

SECRET_KEY = env.kept_secret("ADE_SECRET_KEY", ADE_DATA_DIR / "secret_key")
ADE_ENCRYPTION_KEY = env.kept_secret(
    "ADE_ENCRYPTION_KEY", ADE_DATA_DIR / "encryption_key", lambda: Fernet.generate_key().decode()
)

OPENAI_API_KEY = env.text("OPENAI_API_KEY")
OPENAI_BASE_URL = env.text("OPENAI_BASE_URL")
ANTHROPIC_API_KEY = env.text("ANTHROPIC_API_KEY")
ANTHROPIC_BASE_URL = env.text("ANTHROPIC_BASE_URL")

EXA_API_KEY = env.text("EXA_API_KEY")
TAVILY_API_KEY = env.text("TAVILY_API_KEY")
# Empty: a model must not be able to look around in the operator's own network.
ADE_FETCH_ALLOW = env.networks("ADE_FETCH_ALLOW")

DEBUG = env.switch("ADE_DEBUG", default=False)
# The local names are how health checks and the tools of this very machine come in.
ALLOWED_HOSTS = [*env.listed("ADE_ALLOWED_HOSTS"), "localhost", "127.0.0.1", "[::1]", "testserver"]
CSRF_TRUSTED_ORIGINS = [ADE_PUBLIC_URL] if ADE_PUBLIC_URL else []

INSTALLED_APPS = [
    "daphne",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "servestatic",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "django_htmx",
    "ninja",
    "template_partials",
    "access",
    "tools",
    "agents",
    "archives",
    "folders",
    "mcp_servers",
    "runs",
    "api",
    "ade",
]

MIDDLEWARE = [
    "ade.http_metrics.measure_requests",
    "api.middleware.api_manners",
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "access.middleware.SignInRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "ade.urls"
ASGI_APPLICATION = "ade.asgi.application"
APPEND_SLASH = False

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
                "csp.context_processors.nonce",
                "ade.context.shell",
            ],
        },
    }
]

_SQLITE_OPTIONS = {
    # Measured: without IMMEDIATE most read-then-write transactions fail with "database is locked" under load.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;",
}
DATABASE_URL = env.text("DATABASE_URL")
if DATABASE_URL:
    DATABASES = {"default": dj_database_url.parse(DATABASE_URL)}
    if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        DATABASES["default"]["OPTIONS"] = dict(_SQLITE_OPTIONS)
    elif not TESTING:  # a pool would keep a test database from being dropped
        # Where the database is away, an error after five seconds is of more use than a thread that hangs.
        DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {
            "min_size": 2,
            "max_size": 10,
            "timeout": 5,
            "reconnect_timeout": 10,
        }
        # A connection from before a restart is found out when it is handed out.
        DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(ADE_DATA_DIR / "tandem.sqlite3"),
            "OPTIONS": dict(_SQLITE_OPTIONS),
            # A file, not memory: runs use real transactions from several threads.
            "TEST": {"NAME": str(ADE_DATA_DIR / "test.sqlite3")},
        }
    }
IS_POSTGRES = DATABASES["default"]["ENGINE"].endswith("postgresql")
if IS_POSTGRES:
    # A worker that is frozen in the middle of a transaction must not keep its locks longer than its lease.
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault(
        "options", f"-c idle_in_transaction_session_timeout={round(ADE_LEASE_SECONDS * 1000)}"
    )
    # Its migrations are for Postgres only.
    INSTALLED_APPS.append("procrastinate.contrib.django")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.text("REDIS_URL")
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}
    if REDIS_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}

AUTH_USER_MODEL = "access.Person"
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "tandem_session"
CSRF_COOKIE_NAME = "tandem_csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ADE_PUBLIC_URL.startswith("https://")
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ADE_PUBLIC_URL.startswith("https://") else None
DATA_UPLOAD_MAX_MEMORY_SIZE = 20 << 20

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        # CodeMirror writes a <style> element; it is given the nonce.
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "/static/"
STATIC_ROOT = ADE_DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG or TESTING
        else "servestatic.storage.CompressedManifestStaticFilesStorage"
    },
}
SERVESTATIC_USE_FINDERS = DEBUG

LOGGING = logging_config(env.text("ADE_LOG_LEVEL", "INFO").upper(), env.choice("ADE_LOG_FORMAT", ("text", "json")))
