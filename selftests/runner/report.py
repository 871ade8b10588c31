# SPDX-License-Identifier: GPL-2.0
"""Prints what happened, test by test, and keeps each test's output."""

import os
import threading

from ktap import Verdict

SHOWN_LINES = 120


class Report:
    def __init__(self, folder):
        self.folder = folder
        self.total = Verdict()
        self.lock = threading.Lock()
        os.makedirs(folder, exist_ok=True)

    def note(self, text):
        with self.lock:
            print(text, flush=True)

    def add(self, title, verdict, said, seconds):
        path = os.path.join(self.folder, title.replace("/", "-") + ".log")
        with open(path, "w", encoding="utf-8") as file:
            file.write(said)
        with self.lock:
            self.total.add(verdict)
            mark = "not ok" if verdict.failed else "ok    "
            print(f"{mark} {title:<40} {verdict.counts():<36} "
                  f"{seconds:6.1f} s", flush=True)
            for name in verdict.skipped:
                print(f"         skipped: {name}")
            for name in verdict.failed:
                print(f"         failed: {name}")
            if verdict.failed:
                lines = said.splitlines()
                if len(lines) > SHOWN_LINES:
                    print(f"         | (the last {SHOWN_LINES} lines of "
                          f"{path})")
                for line in lines[-SHOWN_LINES:]:
                    print("         | " + line)
            print(end="", flush=True)
