import type { Readable } from 'node:stream';
import type { Unpinned } from '../src/core/documents/statement.ts';

/**
 * What stands between a build and the machine, the strongest first: a virtual machine with a kernel of its own; the same
 * without the processor's help; a kernel in user space (gVisor); the host's kernel behind namespaces and a filter.
 */
export const tiers = ['vm', 'vm-emulated', 'gvisor', 'namespace'] as const;
export type Tier = (typeof tiers)[number];

/** Where a person can sit at a build (`SandboxJob.terminal`). */
export const tierWithTerminal: Tier = 'namespace';

/** Used and looked at only where somebody names it: it takes 20 times as long, which is no default for anybody. */
export const tierByNameOnly: Tier = 'vm-emulated';

/** What one job may use. The kernel holds each of these; none can be absent. */
export interface SandboxLimits {
  /** Processor time per wall time; fractions are allowed. */
  cpus: number;
  /** Everything the job holds in memory, its files included: they live on tmpfs. */
  memoryBytes: number;
  /** Size of all that the job can write: /build with /tmp, and /dev/shm. */
  diskBytes: number;
  /** Processes and threads, three of them the sandbox's own. */
  pids: number;
  /** Wall time of the steps; moving source and outputs has its own bound. */
  seconds: number;
}

/** What the profile pins around a build, so that it does not depend on the machine. */
export interface ProfileValues {
  hostName: string;
  /** Of the account inside; `home` is the name of its folder in /build. */
  user: string;
  uid: number;
  home: string;
  /** Name of the folder in /build that the source is in. */
  source: string;
  umask: string;
  /** LANG and TZ. */
  language: string;
  timeZone: string;
}

/** Pins changed for one run, to find out what its outputs depend on. */
export interface SandboxVariation extends Partial<ProfileValues> {
  /** How many of the machine's processors the build sees, instead of as many as it asked for. */
  processors?: number;
}

/** A root file system out of the store, in the form a tier can use; made ready once, and kept while the job runs. */
export interface SandboxImage {
  readonly cid: string;
  /** Absolute path of the unpacked tree. Everybody can read it, though folders above may be the worker's alone (build/shown.ts). */
  directory(): Promise<string>;
  /** Absolute path of the tree as an EROFS file system in a file. */
  erofs(): Promise<string>;
}

export interface SandboxJob {
  /** tar stream of the source tree, unpacked in /build/src. */
  source: Readable;
  /** tar streams, each unpacked in /build/in/<name> before the first step. */
  inputs: { name: string; tar: Readable }[];
  /** Each runs as `sh -eu -c` in /build/src with OUT=/build/out; the first that fails ends the job. */
  run: string[];
  /** Added to the pinned environment; pinned names win. */
  env: Record<string, string>;
  /** Paths below $OUT to return, `.` for all. A path the steps did not make fails the job with code 1. */
  outputs: string[];
  limits: SandboxLimits;
  image: 'host' | SandboxImage;
  /**
   * The way out, where the job has one: absolute path of a proxy's unix socket on the host. Absent is no network.
   *
   * `startInCgroups` does the same for every tier: its command is already in a network namespace that holds an empty
   * loopback and nothing else, and on 127.0.0.1:3128 there the worker itself accepts and passes on to that socket (ADR 0015).
   * So a tier makes no namespace of its own then, and only has to let the build reach that one address:
   * - namespace: bwrap without --unshare-net.
   * - gvisor: runsc --network=host, where "host" is that namespace.
   * - vm: `-netdev user,restrict=off`: the guest's 10.0.2.2:3128 is QEMU's 127.0.0.1:3128, and QEMU itself can reach no more.
   *   In the guest a listener on 127.0.0.1:3128 that passes on to there. Not guestfwd: it holds one connection, or spawns.
   * What a build sees of it, in every tier: `proxyEnvironment` (driverCommand sets it), a loopback, nothing else. An
   * attack suite to run with: test/attacks/sandbox/network.ts.
   */
  network?: { socket: string };
  /**
   * For a person at the first step, never for a build that counts: its standard input, and lines `<rows> <columns>` on
   * descriptor 6 for the terminal it makes itself (shellStep). Nothing of the host's own terminal goes in but these bytes.
   */
  terminal?: { keys: Readable; sizes: Readable };
  /** Never set for a build that counts: it does not run under the profile then. */
  variation?: SandboxVariation;
}

/** `exit` is the build's own doing and can be a vote; `aborted` is not. */
export type SandboxOutcome =
  | { kind: 'exit'; code: number }
  | { kind: 'aborted'; reason: 'time' | 'memory' | 'disk' | 'killed' | 'setup'; detail: string };

export interface SandboxIo {
  /** Both of the steps' output streams, as they come: raw bytes, control characters included. */
  onLog(chunk: Uint8Array): void;
  /**
   * Called once, when all steps exited 0. The tar (pax; sorted; owner 0; mtime 0; hard links stored as files;
   * `.` gives names that begin with `./`) fails with an error when it is cut short. Its content is the build's: hostile
   * until checked. A rejection ends the job and is thrown by `run`.
   */
  onOutputs(tar: Readable): Promise<void>;
  /** Ends the job as `killed`. */
  signal: AbortSignal;
}

/** What a job is held to while it runs, at most what it asked for. */
export interface SandboxCaps
  extends Partial<Pick<SandboxLimits, 'cpus' | 'memoryBytes' | 'pids' | 'seconds'>> {
  /** Processor time of the whole job. */
  processorSeconds?: number | undefined;
}

/** How builds give way to everything else on the machine. */
export interface SandboxPriority {
  /** A fifth of the usual share; or only what nobody else wants. */
  processor: 'low' | 'idle';
  /** Share of the disks' time, 1 to 1000; everybody else's is 100. */
  ioWeight: number;
}

/** What the kernel can do for the machine's owner, besides the limits that no job runs without. */
export interface SandboxAbilities {
  /** Jobs can be stopped where they are. */
  freeze: boolean;
  /** Their processor time is counted, so it can be limited. */
  processorTime: boolean;
  /** `idle`; without it they get the smallest share there is. */
  idle: boolean;
  /** A scheduler of some disk heeds the weight. */
  ioWeight: boolean;
}

/** What one running job uses. A number the kernel does not give is NaN. */
export interface SandboxUsage {
  memoryBytes: number;
  /** Since it began. */
  processorSeconds: number;
}

/** One tier. */
export interface Sandbox {
  readonly tier: Tier;
  /** Whether it runs `image: host`. */
  readonly hostImage: boolean;
  /** What a build sees of the machine although it should not matter. */
  readonly unpinned: Unpinned;
  /** Names the rules a build runs under (what it sees, what it may call): part of a job's meaning. */
  readonly profile: 'quorate-sandbox/1';
  /**
   * Resolves once nothing of the job is left: no process, no cgroup, no file.
   * Rejects with SANDBOX_JOB_INVALID for a job that cannot be run, and with what `onLog` or `onOutputs` threw.
   */
  run(job: SandboxJob, io: SandboxIo): Promise<SandboxOutcome>;
}

/** What the machine's owner has in hand while jobs run. */
export interface Steering {
  /** Stops all jobs where they are, and those that begin while it lasts. Their time stands still as well. */
  freeze(): void;
  thaw(): void;
  /** Caps each job, from now on. Returns what could not be applied to a running one, such as less memory than it uses. */
  cap(caps: SandboxCaps): string[];
  /** How jobs give way, from now on. Returns as `cap`. */
  prioritise(priority: SandboxPriority): string[];
  readonly abilities: SandboxAbilities;
  /** Of each job that runs. */
  usage(): SandboxUsage[];
  /** Processor time of all jobs since the start, in seconds. */
  processorSeconds(): number;
}

/** The tiers a worker offers. */
export interface Sandboxes extends Steering {
  /** The strongest first; never empty. */
  readonly tiers: readonly Tier[];
  /** The strongest that can run `host`, or an image by its CID; undefined when none of them can. */
  for(image: string): Sandbox | undefined;
}

export interface ProbeCheck {
  name: string;
  ok: boolean;
  /** What was seen, in one line. */
  found: string;
  /** The command or setting that mends it. */
  fix?: string;
  /** The Debian package that brings it. */
  package?: string;
  /** Not ok, and only in that holes are known: jobs of strangers do not run, one's own may. */
  outdated?: true;
}

/** Follows a probe, and can end it. */
export interface ProbeWatch {
  /** What is looked at from now on, in a few words. */
  onStep?: (tier: Tier, looksAt: string) => void;
  /** What runs is ended and cleared away, and the signal's reason is thrown. */
  signal?: AbortSignal;
}

export interface Probe {
  tier: Tier;
  /** True only when a job ran, every guard held from inside it, and no hole is known. */
  ok: boolean;
  checks: ProbeCheck[];
}
