# SPDX-License-Identifier: GPL-2.0
"""Finds the tests of each tier and what each needs.

  T0  build/selftests/t0/*, selftests/t0/*.sh     on this machine
  T1  build/selftests/t1/*, selftests/t1/*.sh     inside a host, every kernel
  T2  selftests/t2/*.sh                           here, driving two hosts

A file counts if it is executable. The `settings` file beside the sources says
how long a test may take: `timeout=SECONDS` for all of the folder,
`timeout_NAME=SECONDS` for one (anything but letters and digits becomes _); in
an emulated host everything may take four times as long.

A T2 script may say on which kernels it runs, one host's and the other's:
`# kernels: 6.1+6.12 6.12+6.1`. Without that line it is run once, on 6.1+6.12.
A T1 script that is about the agents and not the kernel may name one kernel,
which then is the only one unless another is asked for.

A script that says `# ci: no` is left out where CI=true, unless it is named:
what it tests is then in another test too, at less length.
"""

import os
import re
from dataclasses import dataclass

DEFAULT_TIMEOUT = 60.0
LAB_FACTOR = 4
DEFAULT_PAIR = "6.1+6.12"
# Tests of the test guests live with the guests, the model's with the model.
OTHER_TESTS = {0: ["selftests/guest/guest_test.sh",
                   "selftests/model/model_test.sh"],
               1: ["build/selftests/guest/tinykvm_test"]}


@dataclass
class Test:
    tier: int
    path: str
    timeout: float
    kernels: tuple = ()
    in_ci: bool = True

    @property
    def name(self):
        return re.sub(r"\.sh$", "", os.path.basename(self.path))


def read_settings(folder):
    values = {}
    try:
        with open(os.path.join(folder, "settings"), encoding="utf-8") as file:
            for line in file:
                key, is_setting, value = line.partition("=")
                if is_setting and not line.startswith("#"):
                    values[key.strip()] = float(value)
    except FileNotFoundError:
        pass
    return values


def timeout_of(settings, path):
    name = os.path.basename(path)
    short = re.sub(r"\.sh$", "", name)
    for key in (name, short):
        value = settings.get("timeout_" + re.sub(r"[^A-Za-z0-9]", "_", key))
        if value is not None:
            return value
    return settings.get("timeout", DEFAULT_TIMEOUT)


def said(path, key):
    """What a script says of itself, in words."""
    if not path.endswith(".sh"):
        return ()
    with open(path, encoding="utf-8") as file:
        for line in file:
            found = re.match(rf"#\s*{key}:\s*(.+)", line)
            if found:
                return tuple(found[1].split())
    return ()


def kernels_of(path, tier):
    if tier == 0:
        return ()
    return said(path, "kernels") or ((DEFAULT_PAIR,) if tier == 2 else ())


def is_test(path):
    return (os.path.isfile(path) and os.access(path, os.X_OK)
            and os.path.splitext(path)[1] not in (".so", ".a", ".o", ".d"))


def candidates(top, tier):
    sources = os.path.join(top, f"selftests/t{tier}")
    built = os.path.join(top, f"build/selftests/t{tier}")
    for folder in (built, sources):
        if os.path.isdir(folder):
            for name in sorted(os.listdir(folder)):
                if folder == built or name.endswith(".sh"):
                    yield os.path.join(folder, name)
    for path in OTHER_TESTS.get(tier, []):
        yield os.path.join(top, path)


def find(top, tier):
    settings = read_settings(os.path.join(top, f"selftests/t{tier}"))
    for path in candidates(top, tier):
        if is_test(path):
            yield Test(tier, path, timeout_of(settings, path),
                       kernels_of(path, tier), said(path, "ci") != ("no",))
