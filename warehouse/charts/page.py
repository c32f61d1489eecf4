"""One self-contained HTML file: it embeds plotly's script, and its content security policy blocks all other loading."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from warehouse.charts.chart import Chart
from warehouse.charts.theme import FONT, HEIGHT

# Loading from any address is blocked; styles and saved pictures that plotly generates are allowed.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
CONFIG = {
    "displaylogo": False,
    "responsive": True,
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "topojsonURL": "",
    "typesetMath": False,
}
_STYLE = f"""body {{ margin: 0; background: white; font-family: {FONT} }}
.chart {{ height: {HEIGHT}px; min-width: 720px }}
.only {{ height: 100vh; min-height: 560px }}"""


def page(charts: Sequence[Chart], title: str, *, is_picture: bool = False) -> str:
    """The page of one or several charts, deterministic in its bytes. For a picture the size is fixed and buttons are hidden."""
    from plotly.offline import get_plotlyjs

    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        f"<script>{get_plotlyjs()}</script>",
        "</head><body>",
        *(_figure(chart, is_only=len(charts) == 1, is_picture=is_picture) for chart in charts),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _figure(chart: Chart, *, is_only: bool, is_picture: bool) -> str:
    name = f"chart-{chart.kind}"
    size = "chart only" if is_only and not is_picture else "chart"
    drawn = chart.figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=name,
        config=CONFIG | {"displayModeBar": "hover" if not is_picture else False},
        default_height="100%",
        default_width="100%",
    )
    return f'<div class="{size}">{drawn}</div>'
