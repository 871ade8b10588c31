/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The JSON documents in the daemon's answers, and the names of their members.
 *
 * vm-define, vm-undefine, vm-set, vm-start, vm-stop: none.
 *
 * vm-list:
 *	{"node": "a",
 *	 "vms": [{"name": "web1", "state": "running", "memory": 268435456,
 *		  "vcpus": 1, "pid": 4711,
 *		  "lease": {"kind": "lease-file", "known": true,
 *			    "holder": "a", "epoch": 5, "complete": true}},
 *		 ...]}
 *
 *	lease has what the storage said when it was last asked, and nothing but
 *	the kind if it is not known. "" holds a free one.
 *	state: "stopped" (defined, no QEMU), "running", "paused", "incoming",
 *	"outgoing" (migrating away). pid is absent or 0 without QEMU.
 *
 * vm-show: one such object with, besides,
 *	{"machine": "pc", "cpu": "host",
 *	 "disks": [{"name": "root", "path": "/srv/web1.img", "format": "raw"}],
 *	 "nics": [{"name": "net0", "mac": "52:54:00:00:00:01",
 *		   "bridge": "br0", "tap": "web1-1a2b3c4d", "vlan": 20,
 *		   "addresses": ["10.77.0.50"], "learned": false,
 *		   "announced": {...}}],
 *	 "processor": {"policy": "cluster", "frozen_on": "a",
 *		       "filtered": true, "visible": ["fpu", ...],
 *		       "hidden": ["avx2", ...], "queries": 4711,
 *		       "asked": [{"feature": "avx2", "queries": 5}, ...]},
 *	 "definition": "[vm]\nname = web1\n..."}
 *
 *	Of the processor there is the policy only until the VM was started for
 *	the first time, and no queries while it does not run behind a filter.
 *	hidden is what the node has where the VM is, asked what of that the
 *	guest has looked for.
 *
 *	learned: the definition has no addresses, these are those by which the
 *	host has met the NIC. announced is what announce answers for a NIC,
 *	absent before the first time.
 *
 * announce:
 *	{"network": [{"nic": "lan", "acknowledged_by": "vm", "ms": 12,
 *		      "rounds": 1}]}
 *
 *	acknowledged_by: "vm" (it sent a frame), "outside" (a frame came for it
 *	that was not of its host) or "nobody".
 *
 * vm-recover:
 *	a lease as above, of now, with, besides,
 *	{"vm": "web1", "node": "b", "evidence": "what was found\nwhere",
 *	 "arrived": true}
 *
 *	arrived: a QEMU with the VM is here, paused, and what lease it waits for is
 *	lost. Absent otherwise.
 *
 * migrate, at its end:
 *	{"migration": 7, "transport_why": "both nodes can",
 *	 "commit": {"copy": 31000, "device": 24000, "say": 20, "record": 4000,
 *		    "lease": 9000, "cont": 6000, "answer": 20000},
 *	 "network": [...]}
 *
 *	The id in the asking node's kernel, absent if it came to none.
 *	transport_why is there unless it is TCP and nobody wanted RDMA. The
 *	figures of the report are the kernel's, but for those of the commit, in
 *	us: from the stop of the VM until the other node had all memory, and
 *	then the device state; until "commit" was said; there: until it was
 *	written down, until the lease was taken, until the VM ran; from "commit"
 *	until "committed" was heard here, which has these three in it. Without a
 *	lease there is none of it.
 *	network is what announce answers, absent if the other node did not tell.
 *
 * node-show:
 *	{"node": "a", "address": "10.77.0.1", "port": 4947, "version": 2,
 *	 "memory_free": 1073741824, "memory_room": 805306368,
 *	 "page_size": 4096, "cpu_vendor": "AuthenticAMD", "kernel": "6.1.0",
 *	 "vms": 3, "vms_running": 2,
 *	 "slot": {"limit": 1,
 *		  "holders": [{"vm": "web1", "from": "a", "to": "b",
 *			       "seconds": 4}]},
 *	 "queue": [{"position": 1, "vm": "web2", "node": "b", "seconds": 3,
 *		    "why": "node a is busy: ..."}],
 *	 "draining": true,
 *	 "drain": {"state": "stuck", "stopped": ["db1"],
 *		   "vms": [{"vm": "web3", "state": "stayed", "node": "b",
 *			    "whys": [{"node": "b", "why": "..."}]}]},
 *	 "peers": [{"name": "b", "address": "10.77.0.2", "port": 4947}]}
 *
 *	drain.state: "none", "draining", "drained", "stuck" (VMs are left),
 *	"returning", "returned", "incomplete" (VMs did not come back). A VM's:
 *	"waits", "asks", "checks", "moves", "moved", "stayed", "gone" (it ended,
 *	or is elsewhere); whys is left out where it would be too long.
 *
 *	memory_room is what is left when every VM has touched all of its own.
 *
 * node-list:
 *	{"node": "a", "nodes": [..., {"node": "c", "address": "10.77.0.3",
 *				      "port": 4947, "silent": "why"}]}
 *
 *	Each as in node-show, without page_size, queue, drain and peers.
 *
 * node-drain, node-undrain: as node-show, of the node that it has begun on.
 *
 * check:
 *	{"vm": "web1", "node": "b", "possible": false,
 *	 "checks": [{"name": "memory", "node": "b", "verdict": "failed",
 *		     "ok": false, "text": "..."}, ...]}
 *
 *	verdict: "ok", "failed", or "waived" by agent.conf, which is ok.
 *
 * cpu-show:
 *	{"node": "b", "vendor": "AuthenticAMD", "model": "AMD EPYC Processor",
 *	 "level": "x86-64-v3", "address_bits": 40, "tsc_khz": 2300000,
 *	 "tsc_scaling": true, "filter": false, "no_filter": "why",
 *	 "silent": "why", "features": ["fpu", ...]}
 *
 *	silent tells that the node did not answer: the rest is what it told
 *	last.
 *
 * cpu-baseline:
 *	{"nodes": [{"node": "a", "vendor": "AuthenticAMD", "model": "..."}, ...],
 *	 "level": "x86-64-v2", "features": ["fpu", ...],
 *	 "losses": [{"feature": "avx2", "lacking": ["a"]}, ...]}
 *
 * cpu-check:
 *	{"vm": "web1", "node": "b", "frozen": true, "possible": false,
 *	 "silent": "why", "reasons": ["the VM may use avx2, ...", ...]}
 *
 *	Not frozen: as if the VM were started now where it is.
 *
 * Sizes are bytes. Members that a reader does not know are shown by --json
 * as they are and ignored otherwise.
 */
#ifndef VMIG_ANSWER_H
#define VMIG_ANSWER_H

#define VMIG_VM_STOPPED		"stopped"
#define VMIG_VM_RUNNING		"running"
#define VMIG_VM_PAUSED		"paused"
#define VMIG_VM_INCOMING	"incoming"
#define VMIG_VM_OUTGOING	"outgoing"

#endif /* VMIG_ANSWER_H */
