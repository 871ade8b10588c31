#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# guest_test.sh [BUILD] - does the test guest judge itself rightly?
#
# Boots the guest in plain emulation, without a host in between, and checks that
# it answers, that it notices a broken byte, that a held connection is reported
# alive or dead as it is, and that a guest which cannot start says why.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=${1:-${O:-$here/../../build/selftests/guest}}
work=$(mktemp -d)
qemu=
number=0
failed=0

cleanup()
{
	[ -z "$qemu" ] || kill "$qemu" 2>/dev/null
	rm -rf "$work"
}
trap cleanup EXIT

# verdict STATUS NAME
verdict()
{
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $number $2"
		return
	fi
	echo "not ok $number $2"
	failed=$((failed + 1))
	sed 's/^/# console: /' "$work/console" | tail -5
}

# until_true SECONDS COMMAND...
until_true()
{
	local until=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $until ] || return 1
		sleep 0.1
	done
}

# boot APPEND [QEMU ARGUMENTS]: sets qemu
boot()
{
	local append=$1
	shift
	: >"$work/console"
	timeout 120 qemu-system-x86_64 -accel tcg -M pc -bios qboot.rom -m 256 \
		-nodefaults -vga none -display none -no-reboot \
		-serial "file:$work/console" -kernel "$build/vmlinux" \
		-initrd "$build/initramfs.cpio" "$@" \
		-append "console=ttyS0 quiet panic=-1 mitigations=off $append" \
		</dev/null >"$work/qemu" 2>&1 &
	qemu=$!
}

says() { grep -q "$1" "$work/console"; }
gone() { ! kill -0 "$qemu" 2>/dev/null; }

shut_down()
{
	kill "$qemu" 2>/dev/null
	wait "$qemu" 2>/dev/null
	qemu=
}

# fails_with TEXT NAME APPEND: the guest says TEXT and powers off
fails_with()
{
	boot "$3"
	until_true 60 gone && says "FAIL: $1"
	verdict $? "$2"
	shut_down
}

# ctl COMMAND: the guest's answer in $reply
ctl() { reply=$("$here/guestctl" "127.0.0.1:$control" "$@" 2>>"$work/ctl"); }

has() { [[ $reply == *"$1"* ]]; }

# Ask the system for ports nobody uses.
read -r control echo_port < <(python3 -c '
import socket
s = [socket.socket() for _ in range(2)]
for x in s:
    x.bind(("127.0.0.1", 0))
print(*[x.getsockname()[1] for x in s])')

echo "TAP version 13"
echo "1..14"

truncate -s 32M "$work/disk"
mkfs.ext4 -q "$work/disk"
boot "ip=10.0.2.15/24 gw=10.0.2.2 vmig.disk=1 vmig.files=1" \
	-netdev "user,id=u,hostfwd=tcp:127.0.0.1:$control-:7001,hostfwd=tcp:127.0.0.1:$echo_port-:7000" \
	-device virtio-net-pci,netdev=u,romfile= \
	-drive "file=$work/disk,format=raw,if=none,id=d" \
	-device virtio-blk-pci,drive=d
until_true 60 says "vmig-guest: ready"
booted=$?
verdict $booted "guest boots"
if [ $booted -ne 0 ]; then
	echo "Bail out! nothing can be asked of a guest that did not boot"
	exit 1
fi

filled() { ctl verdict && has '"filled":true'; }
until_true 60 filled
verdict $? "memory is filled"

ctl verify && has '"bad":0,' && has '"path":"/disk/records"'
verdict $? "good memory is found good"

written() { ctl verdict && ! has '"records":0,' && has '"errors":0,'; }
until_true 20 written
verdict $? "disk records are written"

verified() { ctl verdict && [[ $reply == *'"verified":'[1-9]* ]]; }
until_true 20 verified && has '"bad":0,"errors":0,"last_error":"","complaints":0}'
verdict $? "files are written and verified"

ctl corrupt && ctl verify && has '"bad":1,"bad_pages":1,'
verdict $? "one broken byte is found"

ctl reset && ctl verdict && has '"bad":0,'
verdict $? "counters can be reset"

ctl "mode sweep" && ctl "rate 77" && ctl verdict && has '"rate":77,"mode":"sweep"'
verdict $? "load can be changed"

! ctl nonsense && has "unknown command"
verdict $? "unknown command is refused"

ctl freeze && e2fsck -fn "$work/disk" >"$work/e2fsck" 2>&1
verdict $? "a frozen file system is whole"

hold=$("$build/tcphold" -t 1 127.0.0.1 "$echo_port") &&
	[[ $hold == *'"lost":0,'*'"alive":true'* ]]
verdict $? "held connection is alive"

"$build/tcphold" -t 60 -d 1 127.0.0.1 "$echo_port" >"$work/hold" &
holder=$!
until_true 10 eval "ss -Htn state established '( dport = :$echo_port )' | grep -q ."
shut_down
! wait $holder && grep -q '"alive":false' "$work/hold"
verdict $? "cut connection is reported"

fails_with "ip=10.0.2.15/24 but no network card" \
	"guest without its network card says so" "ip=10.0.2.15/24"
fails_with "vmig.run=nothing: unknown name" \
	"guest with an unknown program says so" "vmig.run=nothing"

[ $failed -eq 0 ]
