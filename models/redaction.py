"""Removes keys, tokens, signatures and passwords from texts, addresses and headers for logs, archive and messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

REDACTED = "[redacted]"
SHORTEST_SECRET = 6  # a shorter part of an address would match ordinary words

_NAMES = (
    r"(?:x[-_])?api[-_]?key|apikey|(?:access|auth|bot|refresh|session|x[-_]auth)?[-_]?token|(?:client|api)?[-_]?secret|signature|"
    r"pass(?:word|phrase|wd)|pwd|credentials?|ok-access-(?:key|sign)|x-bapi-(?:api-key|sign)|x-mbx-apikey"
)
_QUERY_NAMES = rf"(?:{_NAMES}|key|auth|sig|sign)"
_IN_QUERY = re.compile(rf"(?i)([?&;]{_QUERY_NAMES}=)[^&;#\s\"'<>]+")
_NAMED = re.compile(rf"(?i)(?<![A-Za-z0-9])({_NAMES})([\"']?\s*[=:]\s*[\"']?)[^\s\"'&;,<>]+")
_IN_HEADER = re.compile(r"(?i)\b((?:proxy-)?authorization[\"']?\s*[=:]\s*[\"']?)(?:(?:bearer|basic|digest|token)\s+)?[^\s\"',;<>]+")
_BEARER = re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=-]{6,}")
_COOKIE = re.compile(r"(?i)\b((?:set-)?cookie[\"']?\s*:\s*[\"']?)[^\"'\n]+")
_USER = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/\s\"'@]+@")
_SECRET_NAME = re.compile(rf"(?i){_QUERY_NAMES}")
# Headers of a reply that identify the client.
_PRIVATE_HEADERS = re.compile(r"(?i)(set-)?cookie2?|(proxy-)?authorization|(proxy-)?authentication-info|x-csrf-token|" + _NAMES)
_HOST_NAME = re.compile(r"(?i)localhost|[a-z0-9-]+(\.[a-z0-9-]+)+")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Remove these secrets from a text, and values named like one: query values, headers, users in addresses."""
    for secret in sorted(set(secrets), key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    text = _USER.sub(rf"\1{REDACTED}@", text)
    text = _COOKIE.sub(rf"\1{REDACTED}", _BEARER.sub(rf"\1{REDACTED}", _IN_HEADER.sub(rf"\1{REDACTED}", text)))
    return _NAMED.sub(rf"\1\2{REDACTED}", _IN_QUERY.sub(rf"\1{REDACTED}", text))


def public_params(params: Mapping[str, str]) -> dict[str, str]:
    """Query parameters for the archive: those named like a secret without their value."""
    return {name: REDACTED if _SECRET_NAME.fullmatch(name) else value for name, value in params.items()}


def public_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers of a reply for the archive, without cookies and authentication."""
    return {name: redact(value) for name, value in headers.items() if not _PRIVATE_HEADERS.fullmatch(name)}


def secret_parts(url: str) -> set[str]:
    """Secret parts of a notification address: all of it, and every part that may be a token.

    Such addresses hold tokens anywhere: as user, as password, in the path, in place of the host. A real host name is not secret.
    """
    _, _, address = url.partition("://")
    network, *rest = re.split(r"[/?#]", address, maxsplit=1)
    user, _, host_and_port = network.rpartition("@")
    host, *port = host_and_port.split(":")
    parts = [*user.split(":"), *port, *re.split(r"[/?#&;=]", "".join(rest))]
    parts += [] if _HOST_NAME.fullmatch(host) else [host]
    return {url, *(part for part in parts if len(part) >= SHORTEST_SECRET)}
