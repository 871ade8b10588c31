# SPDX-License-Identifier: GPL-2.0
"""The runner's way to the lab: the same command line that people use."""

import os
import subprocess
import tempfile

LOST_STATUS = 125
TIMEOUT_STATUS = 124
LOG_LINES = 25
# A console on which only the firmware spoke is not worth showing.
FIRMWARE_LINES = 2


class Lab:
    def __init__(self, top, name):
        self.tool = os.path.join(top, "selftests/lab/lab")
        self.env = dict(os.environ, LAB=name)
        self.logs = os.path.join(top, "build", f"lab-{name}")
        self.closed = False

    def call(self, *args):
        """(status, what it said)"""
        done = subprocess.run([self.tool, *args], env=self.env,
                              stdin=subprocess.DEVNULL, text=True,
                              errors="replace", stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        return done.returncode, done.stdout

    def start(self, *args):
        if self.closed:
            return "the run is over"
        status, said = self.call("start", *args)
        return "" if status == 0 else said

    def close(self):
        """For good: whoever still runs tests has to end."""
        self.closed = True
        self.stop()

    def stop(self, *hosts):
        self.call("stop", *hosts)

    def run(self, host, limit, *command):
        return self.call("run", "-t", str(limit), host, *command)

    def logs_tail(self):
        """The end of what each host's kernel and agent said."""
        found = []
        for name in ("a.console", "b.console", "share/log/a.agent",
                     "share/log/b.agent"):
            try:
                with open(os.path.join(self.logs, name), encoding="utf-8",
                          errors="replace") as file:
                    lines = file.readlines()[-LOG_LINES:]
            except FileNotFoundError:
                continue
            if len(lines) <= FIRMWARE_LINES:
                continue
            found.append(f"-- the end of {name}\n" + "".join(lines) + "\n")
        return "".join(found)

    def hosts(self):
        """{name: whether it is up}"""
        found = {}
        for line in self.call("status")[1].splitlines():
            words = line.split()
            found[words[0]] = words[-1] == "up"
        return found


def run_here(command, limit, cwd, env):
    """Runs a command on this machine; (status, what it printed)."""
    # A file and not a pipe: what the command leaves running in the background
    # would keep a pipe open.
    with tempfile.TemporaryFile() as out:
        status = subprocess.run(
            ["timeout", "--kill-after=5", str(limit), *command], cwd=cwd,
            env=env, stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, check=False).returncode
        out.seek(0)
        said = out.read().decode(errors="replace")
    # A command that had to be killed harder takes timeout itself with it.
    return TIMEOUT_STATUS if status in (137, -9) else status, said
