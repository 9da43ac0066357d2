import type { Readable } from 'node:stream';
import type { sandboxProfile } from '../src/protocol/base/sandbox-profile.ts';
import type { Unpinned } from '../src/protocol/documents/statement.ts';
import type { Step } from '../src/protocol/documents/step.ts';

export type StepParts = Exclude<Step, string>;

/** A step in its longer form. */
export const stepParts = (step: Step): StepParts => (typeof step === 'string' ? { run: step } : step);

/**
 * Isolation tiers, the strongest first: a virtual machine with hardware support (KVM); the same, emulated; a kernel in user
 * space (gVisor); namespaces and a system call filter on the host's kernel.
 */
export const tiers = ['vm', 'vm-emulated', 'gvisor', 'namespace'] as const;
export type Tier = (typeof tiers)[number];

/** The tier that supports `SandboxJob.terminal`. */
export const tierWithTerminal: Tier = 'namespace';

/** Probed and used only when named explicitly: builds take about 20 times as long. */
export const tierByNameOnly: Tier = 'vm-emulated';

/** Resource limits of one job. The kernel enforces each of them; all are required. */
export interface SandboxLimits {
  /** Processors: processor time per wall time, may be fractional. */
  cpus: number;
  /** Memory of all processes, and of the files that they write where these are in memory. */
  memoryBytes: number;
  /** /build (with /tmp) and /dev/shm: in memory, but for /build where this is over `memoryBytes` and the host can give it a file. */
  diskBytes: number;
  /** Processes and threads, including three of the sandbox's own. */
  pids: number;
  /** Wall time of the steps. The transfer of source and outputs has a bound of its own. */
  seconds: number;
}

/** Values of the environment that the profile fixes, so that a build does not depend on the host. */
export interface ProfileValues {
  hostName: string;
  /** Name of the build's account, its uid, and the name of its home folder in /build. */
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

/** Values of the profile changed for one build, to find out what its outputs depend on. */
export interface SandboxVariation extends Partial<ProfileValues> {
  /** Number of processors that the build sees. Default: the number it asked for. */
  processors?: number;
}

/** A root file system from the store, in the form that a tier uses. It stays available while the job runs. */
export interface SandboxImage {
  readonly cid: string;
  /** Absolute path of the unpacked tree. It is world-readable; folders above it may not be (build/image-mount.ts). */
  directory(): Promise<string>;
  /** Absolute path of an EROFS image of the tree. */
  erofs(): Promise<string>;
}

/** The commit that a source is of, as the build's environment tells it. */
export interface SourceCommit {
  /** Full id, 40 or 64 digits. */
  id: string;
  /** CID of the checked-out tree. */
  tree: string;
  /** Committer time in seconds since 1970. */
  seconds: number;
}

/** Dependencies as a build finds them (src/dependencies/layout). */
export interface SandboxDependencies {
  /** tar streams, each unpacked in /build/<name>. */
  folders: { name: 'dependencies' | '.cargo'; tar: Readable }[];
  /** Defaults of the environment, which the job may override. */
  env: Readonly<Record<string, string>>;
}

export interface SandboxJob {
  /** tar stream of the source tree, unpacked in /build/src. */
  source: Readable;
  /** tar stream of its git folder, unpacked in /build/src/.git. */
  git?: Readable;
  /** Absent: the source is of no project, as in a probe; SOURCE_DATE_EPOCH is 1980-01-01. */
  commit?: SourceCommit;
  /** tar streams, each unpacked in /build/in/<name> before the first step. */
  inputs: { name: string; tar: Readable }[];
  dependencies?: SandboxDependencies;
  /** Each runs as `sh -eu -c`, or `bash -eu -o pipefail -c`, in /build/src with OUT=/build/out. The first that fails ends the job. */
  run: Step[];
  /** Added to the environment of the profile, which takes precedence. */
  env: Record<string, string>;
  /** Whether the log tells where each step begins, and which one failed. */
  stepMarks?: boolean;
  /** Paths below $OUT to return, `.` for all. A missing path fails the job with exit code 1. */
  outputs: string[];
  /** Returns those paths that are there also where the job fails. */
  failedOutputs?: boolean;
  limits: SandboxLimits;
  image: 'host' | SandboxImage;
  /**
   * Absolute path of a proxy's unix socket on the host; absent: no network.
   *
   * `startInCgroups` starts the command in a network namespace with a loopback interface only, where the worker listens at
   * 127.0.0.1:3128 and forwards to the socket (ADR 0015). A tier creates no other, and lets the build reach that address:
   * namespace without --unshare-net, gvisor by --network=host, vm by `-netdev user`, whose 10.0.2.2 is QEMU's loopback
   * (guestfwd holds one connection only).
   */
  network?: { socket: string };
  /**
   * Of the first step; never set for a build that is reported: its standard input, and lines `<rows> <columns>` on descriptor 6 for the
   * pseudo-terminal it opens (shellStep). The build gets no descriptor of the terminal of the host.
   */
  terminal?: { keys: Readable; sizes: Readable };
  /** Never set for a build that is reported: with a variation it does not run under the profile. */
  variation?: SandboxVariation;
}

/** `exit` is a result, and may be a vote. `limit`: the one of the job; absent where the cap of the operator was lower. */
export type SandboxOutcome =
  | { kind: 'exit'; code: number }
  | {
      kind: 'aborted';
      reason: 'time' | 'memory' | 'disk' | 'killed' | 'setup';
      detail: string;
      limit?: 'seconds' | 'memoryBytes' | 'diskBytes';
    };

export interface SandboxIo {
  /** Standard output and error of the steps, in order: raw bytes, control characters included. */
  onLog(chunk: Uint8Array): void;
  /**
   * Called once, when all steps have exited 0, or have failed and `failedOutputs` is set. The tar (pax, sorted, owner and times 0, hard
   * links as files) is hostile, and fails when it is truncated. A rejection ends the job and is thrown by `run`.
   */
  onOutputs(tar: Readable): Promise<void>;
  /** Ends the job as `killed`. */
  signal: AbortSignal;
}

/** The operator's caps on each running job. A cap above what the job asks for has no effect. */
export interface SandboxCaps
  extends Partial<Pick<SandboxLimits, 'cpus' | 'memoryBytes' | 'pids' | 'seconds'>> {
  /** Processor time of the whole job, in seconds. */
  processorSeconds?: number | undefined;
}

/** Priority of builds relative to the host's other processes. */
export interface SandboxPriority {
  /** `low`: a fifth of a default share. `idle`: only processor time that no other process wants. */
  processor: 'low' | 'idle';
  /** Share of disk time, 1 to 1000; the default of other cgroups is 100. */
  ioWeight: number;
}

/** Optional controls that the kernel of this host offers to the operator. */
export interface SandboxAbilities {
  freeze: boolean;
  /** Processor time of jobs is counted, so it can be limited. */
  processorTime: boolean;
  /** The priority `idle` is available; otherwise it means the smallest share. */
  idle: boolean;
  /** The I/O scheduler of at least one disk honours weights. */
  ioWeight: boolean;
  /** Builds can write more than their memory: to a file of the host, of fixed size. False until the probe has tried it. */
  disk: boolean;
}

/** Current consumption of one job. NaN where the kernel does not report it. */
export interface SandboxUsage {
  memoryBytes: number;
  /** Since the start of the job. */
  processorSeconds: number;
}

/** One tier, opened for jobs. */
export interface Sandbox {
  readonly tier: Tier;
  /** Whether the tier supports `image: host`. */
  readonly hostImage: boolean;
  /** Properties of the host that a build can see and that the profile cannot fix. */
  readonly unpinned: Unpinned;
  /** Names the environment and permissions of builds. Part of what a result means. */
  readonly profile: typeof sandboxProfile;
  /**
   * Runs one job. Resolves when no process, cgroup or file of it is left.
   * @throws SANDBOX_JOB_INVALID, SANDBOX_SHELL_MISSING, SANDBOX_FAILED, SANDBOX_CLEANUP_FAILED, and what `onLog` or `onOutputs` threw
   */
  run(job: SandboxJob, io: SandboxIo): Promise<SandboxOutcome>;
  /**
   * Starts a sandbox for the next job of these limits, in the host system, without network and dependencies. Any other job, a freeze,
   * and some minutes end it. False where none waits then. @throws SANDBOX_FAILED, SANDBOX_UNAVAILABLE
   */
  ahead?(limits: SandboxLimits): Promise<boolean>;
  /** Ends a sandbox that waits for a job, and resolves when nothing of it is left. */
  dismiss?(): Promise<void>;
}

/** The operator's control over running jobs. */
export interface Steering {
  /** Freezes all jobs, and those that start until `thaw`. Their time limits are paused. */
  freeze(): void;
  thaw(): void;
  /** Caps current and later jobs. Returns the controllers that refused it, such as less memory than a job uses. */
  cap(caps: SandboxCaps): string[];
  /** Sets the priority of current and later jobs. Returns as `cap`. */
  prioritise(priority: SandboxPriority): string[];
  readonly abilities: SandboxAbilities;
  /** Consumption of each running job. */
  usage(): SandboxUsage[];
  /** Processor time of all jobs since this object was created, in seconds. */
  processorSeconds(): number;
}

export interface Sandboxes extends Steering {
  /** The strongest first; never empty. */
  readonly tiers: readonly Tier[];
  /** The strongest sandbox that can run an image (`host` or a CID); undefined if there is none. */
  for(image: string): Sandbox | undefined;
}

export interface ProbeCheck {
  name: string;
  ok: boolean;
  /** The finding, in one line. */
  found: string;
  fix?: string;
  package?: string;
  /** The check failed only because of known vulnerabilities: jobs of others are refused, local ones may run. */
  outdated?: true;
}

export interface ProbeWatch {
  /** Called with the current activity, in a few words. */
  onStep?: (tier: Tier, looksAt: string) => void;
  /** Ends and cleans up running jobs; the probe throws the signal's reason. */
  signal?: AbortSignal;
}

export interface Probe {
  tier: Tier;
  /** True if a job ran, each guard was effective from inside, and no vulnerability is known. */
  ok: boolean;
  checks: ProbeCheck[];
}
