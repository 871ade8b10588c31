# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A file system that hosts share for real, with locks: 9p, which they share
# otherwise, grants every lock to everybody. Needs lib.sh.

# Of the server. In 6.1 a client that comes again may meet a warning of the kernel
# (nfsdfs_remove_files()), which takes a host down here; seen once.
# shellcheck disable=SC2034 # for who starts it
nfs_kernel=6.12

# nfs_server HOST: exports a folder in its memory to everybody. A client that is
# gone keeps its locks for 10 s, not for 90.
nfs_server()
{
	on "$1" "
		set -e
		exec >/dev/null
		modprobe nfsd
		mount -t nfsd nfsd /proc/fs/nfsd
		mkdir -p /tmp/share /run/rpc_pipefs
		mount -t tmpfs none /tmp/share
		echo 10 >/proc/fs/nfsd/nfsv4leasetime
		echo 10 >/proc/fs/nfsd/nfsv4gracetime
		exportfs -i -o rw,no_root_squash,fsid=0,no_subtree_check '*:/tmp/share'
		rpc.mountd --no-nfs-version 3
		rpc.nfsd --no-nfs-version 3 2"
}

# nfs_mount HOST ADDRESS: what is at ADDRESS on /tmp/nfs
nfs_mount()
{
	on "$1" "modprobe nfsv4 && mkdir -p /tmp/nfs &&
		mount -t nfs4 -o vers=4.2,timeo=50 $2:/ /tmp/nfs"
}
