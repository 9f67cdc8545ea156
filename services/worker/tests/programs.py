"""Programs that an operator could have named, for tests: what they do is decided from outside, not by how fast a machine is."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

_PROGRAM = """
import os, pathlib, signal, subprocess, sys, time
doing, given, made, *rest = sys.argv[1:]
def out(data):
    pathlib.Path(made).write_bytes(data)
def crash(number):
    os.kill(os.getpid(), number)
match doing:
    case "copy":
        out(pathlib.Path(given).read_bytes())
    case "hold":
        gate = pathlib.Path(rest[0])
        while not gate.exists():
            time.sleep(0.02)
        out(pathlib.Path(given).read_bytes())
    case "say":
        out(repr(rest).encode())
    case "environment":
        out(repr(sorted(os.environ.items())).encode() + os.getcwd().encode())
    case "fail":
        for number in range(500):
            print("line", number, flush=True)
        sys.exit("the last words")
    case "crash":
        print("about to crash", flush=True)
        crash(signal.SIGSEGV)
    case "killed":
        crash(signal.SIGKILL)
    case "kill-runner":
        print("taking the runner along", flush=True)
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    case "nothing":
        pass
    case "endless":
        with open(made, "wb") as file:
            while True:
                file.write(bytes(65536))
    case "memory":
        out(bytes(8 * 2**30))
    case "children":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        pathlib.Path(rest[0]).write_text(f"{os.getpid()} {child.pid}")
        time.sleep(600)
"""


@dataclass(frozen=True)
class Programs:
    """A file of commands; `hold` goes on until `open_gate`, `pids` is what `children` started."""

    catalog: Path
    gate: Path
    pids: Path

    def open_gate(self) -> None:
        """Let whatever holds end."""
        self.gate.touch()


def write(folder: Path) -> Programs:
    """The program, and the file that names what it can do."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "program.py"
    program.write_text(_PROGRAM)
    programs = Programs(folder / "commands.toml", folder / "gate", folder / "pids")
    names = ("copy", "nothing", "fail", "crash", "killed", "kill-runner", "environment")
    parts = [_command(name, program) for name in names]
    parts += [
        _command("hold", program, f', "{programs.gate}"'),
        _command("children", program, f', "{programs.pids}"'),
        _command("quick", program, f', "{programs.gate}"', doing="hold") + "timeout_s = 0.5\n",
        _command("endless", program) + "max_output_bytes = 1000000\n",
        _command("memory", program) + f"memory_bytes = {2**30}\n",
        _command("say", program, ', "{text}", "x{count}", "{ratio}", "{flag}", "{choice}"') + _ARGUMENTS,
    ]
    programs.catalog.write_text("\n".join(parts))
    return programs


def _command(name: str, program: Path, more: str = "", doing: str | None = None) -> str:
    line = f'"{sys.executable}", "{program}", "{doing or name}", "{{input}}", "{{output}}"{more}'
    return f'[commands.{name}]\nargv = [{line}]\noutput_type = "text/plain"\n'


_ARGUMENTS = """
[commands.say.arguments]
text = {type = "string", default = "nothing", max_length = 40}
count = {type = "integer", default = 3, minimum = 1, maximum = 9}
ratio = {type = "number", default = 0.5}
flag = {type = "boolean", default = false}
choice = {type = "string", default = "-a", choices = ["-a", "-b"]}
"""
