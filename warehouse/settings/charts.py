"""Charts: when they are drawn, and with which browser."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from warehouse.settings.base import SettingsPart


class ChartSettings(SettingsPart):
    """Charts: whether a run draws them, and which browser takes pictures of them."""

    after_run: bool = Field(default=False, description="draw every underlying of a run; takes seconds, and 5 MB per underlying")
    browser: Path | None = Field(default=None, description="browser that takes pictures; none: the first Chromium or Chrome on the path")
    browser_timeout_s: float = Field(default=60.0, gt=0, description="seconds until a picture gives up")
    png_scale: float = Field(default=2.0, gt=0, le=4, description="pixels per point of a picture")
