"""API keys and one-time login links: made once, shown once, stored as SHA-256."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from access.models import ApiKey, LoginLink, Person

LOGIN_LINK_LIFETIME = timedelta(hours=24)
_USE_NOTED_EVERY = timedelta(minutes=1)


def digest(secret: str) -> str:
    """SHA-256 in hex. Enough without salt or stretching: our secrets are 32 random bytes."""
    return hashlib.sha256(secret.encode()).hexdigest()


def first_person() -> Person:
    """The person `admin`, made on first use; with `ADE_ADMIN_PASSWORD` as password where it is set."""
    person, is_new = Person.objects.get_or_create(username="admin", defaults={"is_staff": True, "is_superuser": True})
    wanted = settings.ADE_ADMIN_PASSWORD
    if wanted and not person.check_password(wanted):
        person.set_password(wanted)
        person.save(update_fields=["password"])
    elif is_new and not wanted:
        person.set_unusable_password()
        person.save(update_fields=["password"])
    return person


def make_api_key(person: Person, name: str) -> str:
    """A new key for this person. The returned text is the only copy."""
    secret = f"tdm-{secrets.token_urlsafe(32)}"
    ApiKey.objects.create(name=name, prefix=secret[:10], digest=digest(secret), person=person)
    return secret


def find_key_owner(secret: str) -> tuple[Person, str] | None:
    """Whose key this is and the key's name, or None. Notes the use at most once a minute."""
    configured = settings.ADE_API_KEY
    if configured and hmac.compare_digest(configured.encode(), secret.encode()):
        return first_person(), "ADE_API_KEY"
    key = ApiKey.objects.select_related("person").filter(digest=digest(secret), revoked_at=None).first()
    if key is None or not key.person.is_active:
        return None
    now = timezone.now()
    ApiKey.objects.filter(pk=key.pk).filter(Q(last_used_at=None) | Q(last_used_at__lt=now - _USE_NOTED_EVERY)).update(
        last_used_at=now
    )
    return key.person, key.name


def make_login_token(person: Person) -> str:
    """A token that signs this person in once, within a day."""
    token = secrets.token_urlsafe(32)
    LoginLink.objects.create(digest=digest(token), person=person, expires_at=timezone.now() + LOGIN_LINK_LIFETIME)
    return token


def use_login_token(token: str) -> Person | None:
    """The person whom this token signs in; None where it is unknown, used or too old. Never works twice."""
    now = timezone.now()
    links = LoginLink.objects.filter(digest=digest(token), used_at=None, expires_at__gt=now, person__is_active=True)
    if links.update(used_at=now) != 1:
        return None
    return LoginLink.objects.select_related("person").get(digest=digest(token)).person
