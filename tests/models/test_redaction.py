"""No key, token or query secret in a text, an address or a header; whatever is innocent stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.redaction import REDACTED, public_headers, public_params, redact, secret_parts

SECRET = "s3cr3tV4lue"  # noqa: S105 - it is what the tests look for
TEXTS = [
    f"GET https://api.example.com/v5?apikey={SECRET}&limit=1 failed",
    f"https://h.example/x?limit=1&api_key={SECRET}",
    f"https://h.example/x?signature={SECRET}",
    f"https://h.example/x?sign={SECRET}#top",
    f"https://h.example/x?access_token={SECRET}&key={SECRET}",
    f"https://user:{SECRET}@h.example/path",
    f"Authorization: Bearer {SECRET}",
    f"{{'Authorization': 'Basic {SECRET}'}}",
    f"proxy-authorization: {SECRET}",
    f'{{"apikey": "{SECRET}"}}',
    f"X-MBX-APIKEY: {SECRET}",
    f"OK-ACCESS-SIGN={SECRET}",
    f"X-BAPI-API-KEY: {SECRET}",
    f"Set-Cookie: session={SECRET}; path=/",
    f"cookie: a=b; c={SECRET}",
    f"password={SECRET}",
    f"sent with bearer {SECRET}",
]
INNOCENT = [
    "SPX    cboe     ok         5,802 contracts, open interest 2,590,186,500, 0.1 s",
    "deribit: HTTP 503 for `book-summary` of book BTC. Try later",
    "https://www.deribit.com/api/v2/public/get_index_price?index_name=btc_usd",
    "repeated_keys (1 rows, such as {'snapshot_id': 'SPX-20261116T224031Z', 'strike': 100})",
    "the token bucket is empty, the keys of the table are unique",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_secret_is_taken_out_of_a_text(text: str) -> None:
    assert SECRET not in redact(text)
    assert REDACTED in redact(text)
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize("text", INNOCENT)
def test_whatever_is_innocent_stays(text: str) -> None:
    assert redact(text) == text


@given(
    secret=st.text(alphabet="abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", min_size=8, max_size=40),
    before=st.text(max_size=20), after=st.text(max_size=20),
)  # fmt: skip
def test_a_known_secret_is_redacted_anywhere(secret: str, before: str, after: str) -> None:
    assert secret not in redact(f"{before} {secret} {after}", {secret}).replace(REDACTED, "")


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("tgram://123456789:abcdefg_hijk/12315544/", {"123456789", "abcdefg_hijk", "12315544"}),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", {"T1JJ3T3L2", "A1BRTD4JD", "TIiajkdnlazkcOXrIdevi7FQ"}),
        ("json://user:password1@hooks.example.com:8080/in/abc123def?+X-Key=verysecret", {"password1", "abc123def", "verysecret"}),
    ],
)
def test_every_part_of_a_notification_address_that_may_be_a_token_is_a_secret(url: str, parts: set[str]) -> None:
    secrets = secret_parts(url)
    assert parts <= secrets and url in secrets
    assert not {"json", "user", "8080", "in", "hooks.example.com"} & secrets, "a host and short words are none"


def test_parameters_and_headers_are_stored_without_what_authenticates() -> None:
    params = {"currency": "BTC", "apiKey": SECRET, "signature": SECRET, "instId": "BTC-USD"}
    assert public_params(params) == {"currency": "BTC", "apiKey": REDACTED, "signature": REDACTED, "instId": "BTC-USD"}
    headers = {
        "content-type": "application/json",
        "Set-Cookie": SECRET,
        "x-api-key": SECRET,
        "date": "Mon",
        "location": f"/x?token={SECRET}",
    }
    assert public_headers(headers) == {"content-type": "application/json", "date": "Mon", "location": f"/x?token={REDACTED}"}
