"""What every section of the settings is: frozen, and strict about names; and lists written with commas."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_settings import NoDecode


def _split_commas(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_commas)]  # plain text, not JSON
Secrets = Annotated[tuple[Annotated[SecretStr, Field(min_length=1)], ...], NoDecode, BeforeValidator(_split_commas)]


class SettingsPart(BaseModel):
    """One section of the settings; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
