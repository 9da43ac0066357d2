import { assert } from '../src/protocol/base/errors.ts';
import { limits } from '../src/protocol/base/limits.ts';

/** Bounds of sandboxes, those of a job aside. */
export const sandboxLimits = {
  /** Copying source and inputs in, or outputs out: a full tree at the speed of a slow disk. */
  transferSecondsMax: 900,
  /** Outputs beyond the disk limit, for tar's own headers; without it a sparse file could stream zeros for ever. */
  outputOverheadBytes: 64 * 1024 * 1024,
  /** From SIGKILL until no process and no control group is left. Only uninterruptible sleep takes more than milliseconds. */
  stopSecondsMax: 10,
  /** One job of the probe: against hanging only. It takes 0.3 s; a job of gVisor took over 20 s on a host with a load of 20. */
  probeJobSecondsMax: 60,
  /** All jobs of the probe together: as above. They take about a second. */
  probeSecondsMax: 180,
  /**
   * The same where the processor is emulated and each of four jobs boots a virtual machine first: 30 s with two processors,
   * 50 s beside eight busy programs, above 120 s beside a dozen. A host that takes ten times as long is too slow to build.
   */
  emulatedProbeSecondsMax: 300,
  /** A sandbox that was started before a job came: longer, and the next one is not a next one. It takes a few MB of memory. */
  aheadSecondsMax: 300,
  /** A tool that is asked for its version, or a package manager for the packages it has: about a second, 20 s on a busy host. */
  toolMs: 30_000,
  /** For the file of a build's disk to be allocated, and for its file system to be made: milliseconds, but on a busy disk. */
  diskFileSecondsMax: 60,
  /** Memory of a tool such as git in its sandbox: a pack is indexed in memory, with a few threads. */
  toolMemoryBytesMax: 2 * 1024 * 1024 * 1024,
  /** Processes and threads of a tool. */
  toolPidsMax: 64,
  /** Open connections of a build with a network. npm keeps 15. */
  egressConnectionsMax: 64,
  /** Connections of such a build in all, the refused ones included. */
  egressConnectionsTotalMax: 4096,
  /** Memory of gVisor besides the build's: a kernel in user space, its page tables and caches. */
  gvisorMemoryBytes: 96 * 1024 * 1024,
  /** Of what a build may write: room besides in the file system that gVisor keeps it in, where what was removed is given back late. */
  gvisorStoreShare: 1 / 8,
  /** Threads of gVisor, which grow with the number of blocked system calls; 60 were measured. */
  gvisorThreads: 256,
  /** A kernel for virtual machines, unpacked. Debian's takes 55 MiB. */
  guestKernelBytesMax: 256 * 1024 * 1024,
  /** Boot of a guest with one processor: half a second with KVM, three emulated, and much longer on a busy host. */
  guestBootSecondsMax: { kvm: 15, tcg: 180 },
  /** Threads of QEMU besides one per virtual processor, and the processes around it. It uses a dozen. */
  qemuThreadsMax: 128,
  /** Factor of a job's time limit where the processor is emulated: such a build takes about 20 times as long. */
  emulatedTimeFactor: 20,
} as const;

const { probeJobSecondsMax, probeSecondsMax, emulatedProbeSecondsMax, guestBootSecondsMax } = sandboxLimits;
const { egressConnectionsMax, egressConnectionsTotalMax, transferSecondsMax, stopSecondsMax } = sandboxLimits;
assert(egressConnectionsMax <= egressConnectionsTotalMax, 'open ones are among all');
// Ephemeral ports of Linux (net.ipv4.ip_local_port_range): each connection of a build takes one of its worker's for a minute.
assert(egressConnectionsTotalMax < 60_999 - 32_768, 'a build leaves ports to its worker');
const fullTreeSeconds = limits.treeBytesMax / (10 * 1024 * 1024);
assert(fullTreeSeconds < transferSecondsMax, 'a slow disk writes 10 MiB a second');
assert(transferSecondsMax < 2 * fullTreeSeconds, 'a slow disk writes more than 5 MiB a second');
assert(
  sandboxLimits.guestKernelBytesMax < sandboxLimits.toolMemoryBytesMax,
  'a kernel is unpacked in the memory of the worker, which a tool is kept from',
);
assert(probeJobSecondsMax < probeSecondsMax, 'a job is one of all');
assert(probeSecondsMax < emulatedProbeSecondsMax, 'emulation is slower');
assert(4 * guestBootSecondsMax.kvm <= probeSecondsMax, 'each of its four jobs may boot one after the other');
assert(guestBootSecondsMax.tcg < emulatedProbeSecondsMax, 'a probe outlasts the boot of its first machine');
assert(
  emulatedProbeSecondsMax < 2 * guestBootSecondsMax.tcg,
  'a host with two such boots is too slow to build',
);
assert(sandboxLimits.toolMs / 1000 < probeJobSecondsMax, 'a version is told before a job has run');
assert(sandboxLimits.diskFileSecondsMax < probeSecondsMax, 'a probe makes a disk too');
assert(stopSecondsMax < probeJobSecondsMax, 'a job of the probe is ended in less time than it has');
assert(sandboxLimits.aheadSecondsMax < transferSecondsMax, 'waiting is shorter than work');
