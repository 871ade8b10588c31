#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# First process of the test guest. The kernel command line says what to do:
#   ip=ADDR/LEN gw=ADDR ip6=ADDR/LEN	address of eth0; without one it has none
#   ip2=ADDR/LEN	address of eth1
#   vmig.run=NAME,...	memck, tcphold, cpucheck, sh, none (memck,tcphold)
#   vmig.mem=SIZE	memck: MiB or N% (80%)
#   vmig.rate=N vmig.mode=MODE	memck: what to dirty (1000 random pages/s)
#   vmig.stall_us=N vmig.report=SECS	memck: stall sampler (5000), console lines (10);
#			seen on an emulated host: each look costs it 1 ms, each
#			line is a stall of 50 to 180 ms; 0 is no lines
#   vmig.disk=1 vmig.diskrate=N	memck: check /dev/vda too
#   vmig.files=1 vmig.filerate=N	memck: check files on /dev/vda too
# A guest that cannot do what it was told says why and powers off.
PATH=/bin

die()
{
	trap - EXIT
	echo "vmig-guest: FAIL: $*"
	poweroff -f
}
trap 'die "init ended"' EXIT

mount -t devtmpfs dev /dev || die "cannot mount /dev"
exec </dev/console >/dev/console 2>&1
mount -t proc proc /proc || die "cannot mount /proc"
mount -t sysfs sysfs /sys || die "cannot mount /sys"

# param NAME DEFAULT: value of NAME=... of the kernel command line
param()
{
	# shellcheck disable=SC2013 # words are what is wanted
	for word in $(cat /proc/cmdline); do
		case $word in
		"$1="*)
			echo "${word#*=}"
			return
			;;
		esac
	done
	echo "$2"
}

# What a module merely prefers (a CRC in hardware) may be missing here; then the
# module itself tells, which is the last of its list.
load()
{
	while read -r file; do
		why=
		[ -d "/sys/module/$(echo "${file%.ko}" | tr - _)" ] ||
			why=$(insmod "/modules/$file" 2>&1) || :
	done <"/modules/$1"
	[ -z "$why" ] || die "$why"
}

start_net()
{
	ip link set lo up
	ip=$(param ip "")
	ip6=$(param ip6 "")
	gw=$(param gw "")
	[ -n "$ip$ip6" ] || return
	[ -e /sys/class/net/eth0 ] ||
		die "ip=$ip$ip6 but no network card (give QEMU a virtio-net device)"
	if [ -n "$ip" ]; then
		ip addr add "$ip" dev eth0 || die "ip=$ip: no address"
	fi
	ip link set eth0 up || die "eth0 does not come up"
	if [ -n "$ip6" ]; then
		# Nobody else is on the test network: no second of probing.
		ip -6 addr add "$ip6" dev eth0 nodad || die "ip6=$ip6: no address"
	fi
	if [ -n "$gw" ]; then
		ip route add default via "$gw" || die "gw=$gw: not reachable by ip=$ip"
	fi
	ip2=$(param ip2 "")
	if [ -n "$ip2" ]; then
		ip addr add "$ip2" dev eth1 || die "ip2=$ip2: no address"
		ip link set eth1 up || die "eth1 does not come up"
	fi
}

# Set disk to what memck shall write on: a file if the disk has a file system.
start_disk()
{
	disk=
	# 53 ef: the magic number of ext2, ext3 and ext4
	if [ -b /dev/vda ] &&
	   dd if=/dev/vda bs=1 skip=1080 count=2 2>/dev/null | hexdump -e '2/1 "%x"' | grep -q 53ef; then
		load ext4
		mount /dev/vda /disk || die "cannot mount /dev/vda"
	fi
	if [ "$(param vmig.files 0)" = 1 ] && ! grep -q ' /disk ' /proc/mounts; then
		die "vmig.files=1 but no file system on /dev/vda"
	fi
	[ "$(param vmig.disk 0)" = 1 ] || return
	[ -b /dev/vda ] ||
		die "vmig.disk=1 but no /dev/vda (give QEMU a virtio-blk device)"
	disk=/dev/vda
	if grep -q ' /disk ' /proc/mounts; then
		disk=/disk/records
	fi
}

start_memck()
{
	set -- -m "$(param vmig.mem 80%)" -r "$(param vmig.rate 1000)" \
		-M "$(param vmig.mode random)" -c "$(param vmig.report 10)" \
		-s "$(param vmig.stall_us 5000)"
	if [ -n "$disk" ]; then
		set -- "$@" -d "$disk" -D "$(param vmig.diskrate 100)"
	fi
	if [ "$(param vmig.files 0)" = 1 ]; then
		set -- "$@" -f /disk/files -F "$(param vmig.filerate 10)"
	fi
	memck "$@" &
	pids="$pids $!"
}

load virtio_pci
[ -e /sys/bus/virtio/devices/virtio0 ] && for dev in /sys/bus/virtio/devices/*; do
	case $(cat "$dev/device") in
	0x0001) load virtio_net ;;
	0x0002) load virtio_blk ;;
	0x0005) load virtio_balloon ;;
	esac
done
start_net
start_disk

pids=
run=$(param vmig.run memck,tcphold)
for name in $(echo "$run" | tr , ' '); do
	case $name in
	memck)
		start_memck
		;;
	tcphold)
		tcphold-server 7000 &
		pids="$pids $!"
		;;
	cpucheck)
		cpucheck 7002 &
		pids="$pids $!"
		;;
	sh)
		setsid cttyhack sh &
		pids="$pids $!"
		;;
	none)
		;;
	*)
		die "vmig.run=$run: unknown name $name"
		;;
	esac
done
echo "vmig-guest: ready run=$run ip=$(param ip none) uptime=$(cat /proc/uptime)"

# Wakes once a second at most when nothing runs; a program that ends is a fault.
while :; do
	sleep 1
	for pid in $pids; do
		[ -d "/proc/$pid" ] || die "a program of vmig.run=$run has ended"
	done
done
