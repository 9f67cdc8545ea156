"""Our own pictures."""

from ui.edge.assets import assets_folder

LOGO = assets_folder() / "logo.svg"
