"""Whether there is a browser to test the gallery in. Imports no Selenium: every run of pytest asks."""

from __future__ import annotations

import shutil

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = (
    "" if CHROMIUM and DRIVER else "no chromium and chromedriver on this machine (.ci/run installs them with apt-get)"
)
