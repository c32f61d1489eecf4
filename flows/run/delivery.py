"""Delivery of alerts through Apprise: one notification per address and time, without the address in any message or log."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from models.redaction import redact
from warehouse.settings import Settings

LOG = logging.getLogger("strikehouse.alerts")
TITLE = "Strikehouse"


def address_names(settings: Settings) -> list[str]:
    """What addresses are called where anybody may read it: their place in `alerts.urls` and their scheme, such as `1:json`."""
    urls = (url.get_secret_value() for url in settings.alerts.urls)
    return [f"{number}:{url.partition('://')[0].lower()}" for number, url in enumerate(urls, start=1)]


@contextmanager
def _apprise_quiet() -> Iterator[_Said]:
    """Apprise without its own lines, which name addresses, and without the deprecations of its many services; keeps its last warning."""
    said = _Said()
    logger = logging.getLogger("apprise")
    before = (logger.propagate, logger.level)
    logger.addHandler(said)
    logger.propagate, logger.level = False, logging.WARNING
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield said
    finally:
        logger.removeHandler(said)
        logger.propagate, logger.level = before


def unknown_addresses(settings: Settings) -> list[str]:
    """Names of the addresses that Apprise makes nothing of; nothing is sent."""
    import apprise

    urls = zip(address_names(settings), settings.alerts.urls, strict=True)
    with _apprise_quiet():
        return [name for name, url in urls if not apprise.Apprise.instantiate(url.get_secret_value(), suppress_exceptions=True)]


def deliver(settings: Settings, texts: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Send each address its lines, as one notification; returns, and logs, why the others did not take theirs, by the address's name.

    `texts`: name of an address → lines. Whatever a service does wrong is a result, not an exception.
    """
    urls = dict(zip(address_names(settings), settings.alerts.urls, strict=True))
    failures = {}
    for name, lines in texts.items():
        if lines:
            error = _send(urls[name].get_secret_value(), lines, settings)
            if error is not None:
                failures[name] = f"{name}: {redact(error, settings.secrets)}"
                LOG.error("not delivered: %s", failures[name], extra={"shown": True})
    return failures


def _send(url: str, lines: Sequence[str], settings: Settings) -> str | None:
    """Why one address did not take a notification; None when it did."""
    import apprise  # 0.15 s, for those who have rules only

    try:
        with _apprise_quiet() as said:
            service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
            if not service:
                return "this is no address that Apprise knows; correct alerts.urls"
            service.socket_connect_timeout = service.socket_read_timeout = settings.alerts.timeout_s
            title = f"{TITLE}: {len(lines)} alerts" if len(lines) > 1 else TITLE
            return None if service.notify(body="\n".join(lines), title=title) else said.last or "the service did not take it"
    except Exception as error:  # noqa: BLE001 - one of a hundred services; an alert must not end a run
        return f"{type(error).__name__}: {error}"


class _Said(logging.Handler):
    """Keeps the last warning."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""

    def emit(self, record: Any) -> None:
        self.last = " ".join(record.getMessage().split())[:200]
