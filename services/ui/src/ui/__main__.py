"""`python -m ui`: serve on $PORT."""

import os

from ui.app import app
from ui.core.settings import UiSettings

if __name__ == "__main__":
    settings = UiSettings.from_env(os.environ)
    app.run(config={"server.port": settings.port, "server.address": os.environ.get("HOST", "0.0.0.0")})  # noqa: S104
