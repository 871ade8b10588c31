# SPDX-License-Identifier: GPL-2.0
"""What a host boots: an uncompressed kernel and a small initramfs.

An ELF kernel that QEMU starts by its PVH note saves the emulated processor
the decompression, 3.5 s a boot. Both files are cached, and put in place by
rename, since two labs may need them at the same time.
"""

import hashlib
import lzma
import os
import shutil
import stat
import subprocess
import tempfile

import settings
from settings import LabError

# Enough to reach the machine's root; everything else is loaded from there.
MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")


def kernel_fact(question, kernel):
    tool = os.path.join(settings.TOP, "scripts/kernel")
    done = subprocess.run([tool, question, kernel], capture_output=True,
                          text=True, check=False)
    if done.returncode:
        raise LabError(done.stderr.strip())
    return done.stdout.strip()


def store(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(path),
                                     delete=False) as file:
        file.write(data)
    os.rename(file.name, path)


def run_filter(command, data):
    done = subprocess.run(command, input=data, capture_output=True,
                          check=False)
    # Trailing bytes after the compressed kernel are not an error.
    return done.stdout


def unpack(image):
    """The ELF kernel inside a bzImage, whichever way it is compressed."""
    formats = (
        (b"\xfd7zXZ\0", lambda d: lzma.LZMADecompressor().decompress(d)),
        (b"\x28\xb5\x2f\xfd", lambda d: run_filter(["zstd", "-dcq"], d)),
        (b"\x1f\x8b\x08", lambda d: run_filter(["gzip", "-dcq"], d)),
    )
    for magic, decompress in formats:
        at = image.find(magic)
        while at >= 0:
            try:
                elf = decompress(image[at:])
            except lzma.LZMAError:
                elf = b""
            if elf.startswith(b"\x7fELF"):
                return elf
            at = image.find(magic, at + 1)
    raise LabError("no ELF kernel found inside")


def vmlinux(kernel):
    path = kernel_fact("image", kernel)
    if os.path.basename(path) == "vmlinux":
        return path
    release = kernel_fact("version", kernel)
    if not os.path.exists(path):
        raise LabError(f"{path} is missing: install linux-image-{release}")
    info = os.stat(path)
    cached = os.path.join(settings.CACHE, "vmlinux",
                          f"{release}-{int(info.st_mtime)}-{info.st_size}")
    if not os.path.exists(cached):
        with open(path, "rb") as file:
            try:
                store(cached, unpack(file.read()))
            except LabError as err:
                raise LabError(f"{path}: {err}") from None
    return cached


def module_files(release, folder):
    """(name, content) of each module the initramfs loads, in load order."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(folder)))
    found = {}
    for module in MODULES:
        done = subprocess.run(
            ["modprobe", "-d", root, "-S", release, "--show-depends", module],
            capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(f"kernel {release} has no module {module}: "
                           + done.stderr.strip())
        for line in done.stdout.splitlines():
            word = line.split()
            if word[0] == "insmod":
                found.setdefault(word[1])
    for path in found:
        with open(path, "rb") as file:
            data = file.read()
        name = os.path.basename(path)
        if name.endswith(".xz"):
            data, name = lzma.decompress(data), name[:-3]
        yield name, data


def cpio_entry(name, mode, data=b""):
    """One file of a cpio archive in the form that the kernel unpacks."""
    name = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return (head + b"\0" * (-len(head) % 4)
            + data + b"\0" * (-len(data) % 4))


def initramfs(kernel):
    release = kernel_fact("version", kernel)
    folder = kernel_fact("modules", kernel)
    busybox = shutil.which("busybox")
    if not busybox:
        raise LabError("busybox is not installed: run 'make deps'")
    archive = [cpio_entry(d, stat.S_IFDIR | 0o755) for d in ("bin", "modules")]
    sources = {"init": os.path.join(settings.TOP,
                                    "selftests/lab/initramfs-init"),
               "bin/busybox": busybox}
    for name, path in sources.items():
        with open(path, "rb") as file:
            archive.append(cpio_entry(name, stat.S_IFREG | 0o755, file.read()))
    order = []
    for name, data in module_files(release, folder):
        archive.append(cpio_entry("modules/" + name, stat.S_IFREG | 0o644,
                                  data))
        order.append(name)
    archive.append(cpio_entry("modules/order", stat.S_IFREG | 0o644,
                              "\n".join(order).encode()))
    archive.append(cpio_entry("TRAILER!!!", 0))
    data = b"".join(archive)
    path = os.path.join(settings.CACHE, "initramfs", release + "-"
                        + hashlib.sha256(data).hexdigest()[:16])
    if not os.path.exists(path):
        store(path, data)
    return path
