"""What is logged, and where."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from warehouse.settings.base import SettingsPart


class LogSettings(SettingsPart):
    """What is logged: lines on standard error, and a file per day below the home."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(default="WARNING", description="least level on standard error")
    file_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(default="INFO", description="least level in the file")
    format: Literal["text", "json"] = Field(
        default="text", description="text, or json: one object per line, on standard error and in the file"
    )
    keep_days: int = Field(default=30, ge=0, description="files of earlier days are removed; 0: no file")
