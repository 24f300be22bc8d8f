"""What a browser makes of an HTML page: headless Chromium, without a network.

Method: the page is shown in a frame of the width that is asked about, and measured by a script of ours beside it; a
screenshot is of the page itself. Chromium runs in a directory of its own, which goes.
"""

import json
import os
import shutil
import subprocess
import tempfile

CHROMIUM = shutil.which("chromium")

MEASURE = """<!DOCTYPE html><meta charset="utf-8"><title>measure</title>
<iframe id="page" style="width:%dpx;height:3000px;border:0"></iframe><pre id="out"></pre>
<script>
const frame = document.getElementById("page");
frame.onload = () => {
  const page = frame.contentDocument;
  const wide = [...page.querySelectorAll("body *")].filter(each => {
    const box = each.getBoundingClientRect();
    return box.width > 1 && !each.closest("thead, svg") && (box.right > %d + 1 || box.left < -1);
  });
  document.getElementById("out").textContent = JSON.stringify({
    width: page.documentElement.scrollWidth,
    outside: wide.slice(0, 5).map(each => each.outerHTML.slice(0, 120)),
    letters: [...page.querySelectorAll("svg text")].map(each => parseFloat(frame.contentWindow.getComputedStyle(each).fontSize)),
    fetched: frame.contentWindow.performance.getEntriesByType("resource").length,
  });
};
frame.srcdoc = %s;
</script>"""


def _run(arguments):
    profile = tempfile.mkdtemp(prefix="certfs-chromium-")
    try:
        return subprocess.run(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
             "--no-first-run", "--disable-extensions", "--user-data-dir=" + profile, *arguments],
            env=dict(os.environ, HOME=profile, LC_ALL="C.UTF-8"), capture_output=True, timeout=240)
    finally:
        shutil.rmtree(profile, ignore_errors=True)


def measure(html, width):
    """The width that the page takes in a frame of `width` pixels, and what sticks out of it."""
    directory = tempfile.mkdtemp(prefix="certfs-page-")
    try:
        path = os.path.join(directory, "measure.html")
        # A script ends at the first end of one, be it in a string.
        text = json.dumps(html).replace("</", "<\\/")
        with open(path, "w", encoding="utf-8") as file:
            file.write(MEASURE % (width, width, text))
        done = _run(["--virtual-time-budget=10000", "--dump-dom", "file://" + path])
        out = done.stdout.decode()
        if '<pre id="out">{' not in out:
            raise RuntimeError("chromium measured nothing: " + done.stderr.decode()[-2000:])
        inner = out.split('<pre id="out">')[1].split("</pre>")[0]
        return json.loads(inner.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def screenshot(path, width, height, out):
    """Writes a PNG of the page at `path` to `out`."""
    done = _run([f"--screenshot={out}", f"--window-size={width},{height}", "file://" + path])
    if not os.path.exists(out):
        raise RuntimeError("chromium took no picture: " + done.stderr.decode()[-2000:])
