"""Opens a page in Chromium without a screen, runs a script on it, and reads what the script found."""

import json
import subprocess
from html import unescape
from pathlib import Path
from re import DOTALL, search
from shutil import which
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(which, ("chromium", "chromium-browser", "google-chrome"))), "")
needs_a_browser = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")

# The script stands in a function with the page's window and document, after everything has been loaded; what it
# returns comes back. Errors that no one catches come back as "errors".
AROUND = """
<pre id="found"></pre><script>
const errors = [];
addEventListener("load", () => {
  const frame = document.querySelector("iframe"), view = frame ? frame.contentWindow : window;
  view.addEventListener("error", event => errors.push(event.message));
  const found = ((window, document) => {%s})(view, view.document);
  document.querySelector("#found").textContent = JSON.stringify({...found, errors});
});
</script></body>"""


def seen(page: str, script: str, folder: Path, width: int = 600, height: int = 500) -> dict[str, Any]:
    """What a script returns that runs on a page, or inside the frame that it shows."""
    path = folder / "page.html"
    path.write_text(page.replace("</body>", AROUND % script), encoding="utf-8")
    words = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={folder / 'profile'}",
        "--dump-dom",
    ]
    ran = subprocess.run(
        [CHROMIUM, *words, f"--window-size={width},{height}", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
    )
    found = search(r'<pre id="found">(.*?)</pre>', ran.stdout, flags=DOTALL)
    assert found, ran.stderr[-500:]
    read: dict[str, Any] = json.loads(unescape(found[1]))
    return read
