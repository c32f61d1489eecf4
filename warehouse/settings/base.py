"""The base of all settings sections, frozen and strict about names, and comma-separated lists."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import NoDecode


def _split_commas(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_commas)]  # plain text, not JSON
Secrets = Annotated[tuple[Annotated[SecretStr, Field(min_length=1)], ...], NoDecode, BeforeValidator(_split_commas)]


CHANGES_NUMBERS = "changes_numbers"


def number(default: Any, description: str, **constraints: Any) -> Any:
    """A setting that changes computed numbers. The mark adds it to `Settings.numbers_hash` and says so in docs/settings.md."""
    return Field(default=default, description=description, json_schema_extra={CHANGES_NUMBERS: True}, **constraints)


def changes_numbers(field: FieldInfo) -> bool:
    """Whether a setting carries the mark of `number`."""
    return isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get(CHANGES_NUMBERS) is True


class SettingsPart(BaseModel):
    """One section of the settings; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @classmethod
    def number_fields(cls) -> list[str]:
        """Names of the settings of this section that change numbers, in the order in which they are declared."""
        return [name for name, field in cls.model_fields.items() if changes_numbers(field)]
