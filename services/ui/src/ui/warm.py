"""Imports made once at start, so that no visitor waits for them."""

from importlib import import_module

_PAGES = ("admin", "ask", "entry", "journal", "settings", "sign_in", "studio", "today")
_FRAMEWORK = ("streamlit.elements.echarts_chart", "streamlit.runtime.scriptrunner", "zoneinfo", "httpx")


def import_pages() -> None:
    """Load every page and the framework's lazy parts that pages reach."""
    for name in _FRAMEWORK:
        import_module(name)
    for page in _PAGES:
        import_module(f"ui.views.{page}")
