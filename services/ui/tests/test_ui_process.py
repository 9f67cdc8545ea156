"""The process as it is started, and what it weighs with many people at once."""

import asyncio
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from shared.testing.waiting import eventually_sync
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

pytestmark = [pytest.mark.xdist_group("browser-asking")]


async def _open(stack: Any, who: Any) -> Any:
    """A connected page that has shown its journal."""
    url = stack.app.url.replace("http", "ws") + "/_stcore/stream"
    headers = {"Cookie": f"maru_session={who.handle}", "Origin": stack.app.url}
    socket = await websockets.connect(url, subprotocols=["streamlit"], additional_headers=headers, max_size=None)
    rerun = BackMsg()
    rerun.rerun_script.page_name = "journal"
    await socket.send(rerun.SerializeToString())
    while True:
        data = await asyncio.wait_for(socket.recv(), 30)
        assert isinstance(data, bytes)
        if ForwardMsg.FromString(data).WhichOneof("type") == "script_finished":
            return socket


async def test_fifty_people_at_once_fit_into_the_container(stack: Any) -> None:
    people = [stack.somebody(f"사람 {number}") for number in range(5)]
    for who in people:
        who.write("오늘의 기록. 기뻤다.")
    pages = [await _open(stack, people[number % 5]) for number in range(50)]
    try:
        assert stack.app.rss_mib() < 256
    finally:
        for page in pages:
            await page.close()


def test_streamlit_run_starts_the_same_app(stack: Any, tmp_path: Path, unused_tcp_port: int) -> None:
    script = str(files("ui").joinpath("app.py"))
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(unused_tcp_port)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={"MARU_API_URL": stack.peer.url, "PATH": ""})
    url = f"http://127.0.0.1:{unused_tcp_port}"
    try:
        eventually_sync(lambda: _title(url) == "Maru", within=40)
        assert httpx.get(f"{url}/assets/maru.css").is_success
        assert httpx.post(f"{url}/session", json={}).status_code == 403
    finally:
        process.terminate()
        process.wait(20)


def test_without_its_settings_the_app_refuses_to_serve(stack: Any, tmp_path: Path, unused_tcp_port: int) -> None:
    launcher = tmp_path / "launcher.py"
    launcher.write_text("from ui.app import app\napp.run()\n", encoding="utf-8")
    env = {"MARU_API_URL": stack.peer.url, "PATH": "", "STREAMLIT_SERVER_PORT": str(unused_tcp_port)}
    done = subprocess.run(
        [sys.executable, str(launcher)], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "config.toml was not read" in done.stderr + done.stdout


def _title(url: str) -> str:
    try:
        document = httpx.get(url, headers={"Accept": "text/html"}, timeout=5).text
    except httpx.HTTPError:
        return ""
    return document.partition("<title>")[2].partition("</title>")[0]


def test_fonts_are_ours_and_carry_their_licence(stack: Any) -> None:
    fonts = files("ui").joinpath("assets", "fonts")
    assert "SIL OPEN FONT LICENSE" in fonts.joinpath("OFL.txt").read_text(encoding="utf-8")
    sizes = [Path(str(font)).stat().st_size for font in fonts.iterdir() if font.name.endswith(".woff2")]
    assert sum(sizes) < 4 * 1024 * 1024
    css = httpx.get(f"{stack.app.url}/assets/maru.css").text
    assert "url(fonts/" in css
    assert "url(http" not in css
    font = httpx.get(f"{stack.app.url}/assets/fonts/PretendardVariable.subset.0.woff2")
    assert "immutable" in font.headers["cache-control"]
