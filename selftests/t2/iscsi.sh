# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# SCSI disks that hosts share: a target in one host's kernel (LIO), initiators
# in others. For T2 scripts, after lib.sh.

ISCSI_IQN=iqn.2026-11.vmig:disks

# iscsi_target HOST N [MIB]: disks 0 to N-1 of 16 MiB, offered to everybody.
iscsi_target() {
	local mib=${3:-16}
	on "$1" "
	set -e
	exec >/dev/null
	modprobe -a target_core_mod iscsi_target_mod target_core_file
	mountpoint -q /sys/kernel/config ||
		mount -t configfs none /sys/kernel/config
	cd /sys/kernel/config/target
	# Where reservations outlive the target; without the folder pr in it
	# each change of one fails, after it was made.
	mkdir -p /var/target/pr /var/target/alua
	echo /var/target >dbroot
	tpg=iscsi/$ISCSI_IQN/tpgt_1
	mkdir -p \$tpg/np/0.0.0.0:3260
	for ((i = 0; i < $2; i++)); do
		disk=core/fileio_0/disk\$i
		mkdir -p \$disk \$tpg/lun/lun_\$i
		truncate -s ${mib}M /dev/shm/disk\$i
		echo fd_dev_name=/dev/shm/disk\$i,fd_dev_size=\$(($mib << 20)) \
			>\$disk/control
		echo vmig-disk\$i >\$disk/wwn/vpd_unit_serial
		echo 1 >\$disk/enable
		ln -s \$PWD/\$disk \$tpg/lun/lun_\$i/disk
	done
	echo 0 >\$tpg/attrib/authentication
	echo 1 >\$tpg/attrib/generate_node_acls
	echo 0 >\$tpg/attrib/demo_mode_write_protect
	echo 1 >\$tpg/attrib/cache_dynamic_acls
	echo 1 >\$tpg/enable"
}

# iscsi_login HOST ADDRESS: its disks become /dev/disk/by-path/... there.
# A link that is cut holds I/O up for 20 s, not for 2 minutes.
iscsi_login() {
	on "$1" "
	set -e
	exec >/dev/null
	modprobe -a iscsi_tcp sd_mod sg
	echo InitiatorName=iqn.2026-11.vmig:host-$1 \
		>/etc/iscsi/initiatorname.iscsi
	mkdir -p /run/lock/iscsi
	pgrep iscsid >/dev/null || iscsid
	iscsiadm -m discovery -t st -p $2:3260
	iscsiadm -m node -T $ISCSI_IQN -p $2:3260 -o update \
		-n node.session.timeo.replacement_timeout -v 20
	iscsiadm -m node -T $ISCSI_IQN -p $2:3260 -l"
}

# iscsi_disk HOST LUN: its name in /dev there, once it is there.
iscsi_disk() {
	on "$1" "
	for ((try = 0; try < 100; try++)); do
		for disk in /sys/class/scsi_disk/*:$2/device/block/*; do
			[[ -e \$disk && -b /dev/\${disk##*/} ]] || continue
			echo /dev/\${disk##*/}
			exit 0
		done
		sleep 0.1
	done
	exit 1"
}
