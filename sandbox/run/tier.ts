import { randomInt } from 'node:crypto';
import { cpus, release } from 'node:os';
import { Readable } from 'node:stream';
import { sandboxProfile } from '../../src/protocol/base/sandbox-profile.ts';
import type { Unpinned } from '../../src/protocol/documents/statement.ts';
import { detectAbilities } from '../cgroups/abilities.ts';
import { createGroup, type Group, groupDirectories } from '../cgroups/group.ts';
import { groupPrefix, jobFolder, recordJob } from '../cgroups/leftovers.ts';
import type { CgroupParent } from '../cgroups/parents.ts';
import { lowPriority, withPriority } from '../cgroups/settings.ts';
import { checkJob } from '../check-job.ts';
import { type DiskAbility, type DiskKind, diskAbility } from '../disk/ability.ts';
import { type DiskOwners, makeDiskFile } from '../disk/file.ts';
import { sandboxLimits } from '../limits.ts';
import type {
  Sandbox,
  SandboxAbilities,
  SandboxCaps,
  SandboxIo,
  SandboxJob,
  SandboxLimits,
  SandboxOutcome,
  SandboxPriority,
  SandboxUsage,
  Steering,
  Tier,
} from '../types.ts';
import { AheadSandbox, type Started, shapeOf } from './ahead.ts';
import type { BuildGuards } from './guards.ts';
import type { BuildProcess } from './process.ts';
import { type ProcessBounds, processBounds } from './process-limits.ts';
import { BuildSupervisor } from './supervisor.ts';

/** Resources that the sandbox provides to a tier for one build. */
export interface LaunchContext {
  /** Directories of the cgroups that the build's first process must join before its first instruction (startInCgroups). */
  readonly directories: readonly string[];
  /** A random number that differs between jobs that run at the same time. */
  readonly slot: number;
  readonly bounds: ProcessBounds;
  /** Makes the file that the build's folder lies in, in `folder`, and returns its path. Absent where it lies in memory. */
  readonly makeDisk?: (owners: DiskOwners) => Promise<string>;
}

/** How a tier starts a build. Cgroups, limits, streams and clean-up are the same in all tiers. */
export interface TierBackend {
  readonly tier: Tier;
  /** Whether a build can use the host's own system (`image: host`). */
  readonly hostImage: boolean;
  readonly guards: BuildGuards;
  /** How the tier gives a build a file as its disk. Absent: all that builds write is in memory. */
  readonly disk?: DiskKind;
  /** Whether the first process waits for its job, so that a sandbox can be started before there is one. Default: no. */
  waits?(): boolean;
  /** Properties that the tier cannot pin. Default: the kernel release seen by the probe, and the host's processor. */
  unpinned?(): Unpinned;
  launch(job: SandboxJob, launching: LaunchContext): Promise<BuildProcess>;
}

export interface TierContext {
  readonly parents: readonly CgroupParent[];
  /** Folder of the job records, by which the next start cleans up after a crash. */
  readonly recordsDir: string;
}

export class TierSandbox implements Sandbox, Steering {
  readonly profile = sandboxProfile;
  readonly #backend: TierBackend;
  readonly #context: TierContext;
  readonly #running = new Set<{ group: Group; supervisor: BuildSupervisor; limits: SandboxLimits }>();
  #frozen = false;
  #caps: SandboxCaps = {};
  #priority = lowPriority;
  #abilities: Omit<SandboxAbilities, 'disk'> | undefined;
  #kernel = release();
  /** Read once: a look opens two files, and one for each processor. */
  readonly #processor = cpus()[0]?.model.slice(0, 100) ?? '';
  #disk: Promise<DiskAbility> | undefined;
  #canDisk = false;
  /** Processor time of ended jobs, in seconds. */
  #ended = 0;
  readonly #ahead = new AheadSandbox(sandboxLimits.aheadSecondsMax * 1000);
  /** Grows with each job, dismissal and change of limits, of which a sandbox that is still starting does not hear. */
  #turn = 0;

  constructor(backend: TierBackend, context: TierContext) {
    this.#backend = backend;
    this.#context = context;
  }

  get tier(): Tier {
    return this.#backend.tier;
  }

  get hostImage(): boolean {
    return this.#backend.hostImage;
  }

  get unpinned(): Unpinned {
    return this.#backend.unpinned?.() ?? { kernel: this.#kernel, processor: this.#processor };
  }

  /** Kernel release as builds see it. Default: the host's. */
  set kernel(release: string) {
    this.#kernel = release.slice(0, 100);
  }

  async run(job: SandboxJob, io: SandboxIo): Promise<SandboxOutcome> {
    checkJob(job, this.#backend);
    const turn = ++this.#turn;
    const started = (await this.#ahead.take(shapeOf(job))) ?? (await this.#start(job));
    const { group } = started;
    try {
      const supervisor = new BuildSupervisor(job, io, this.#backend.guards, started);
      const running = { group, supervisor, limits: job.limits };
      supervisor.pause(this.#frozen);
      supervisor.cap(this.#caps);
      this.#running.add(running);
      if (turn !== this.#turn) {
        // The pause and the limits were set while it started.
        group.freeze(this.#frozen);
        group.limit(capped(job.limits, this.#caps));
      }
      try {
        return await supervisor.outcome();
      } finally {
        this.#running.delete(running);
        this.#ended += group.usage().processorSeconds || 0;
      }
    } finally {
      await started.end();
    }
  }

  /** @throws SANDBOX_FAILED, SANDBOX_UNAVAILABLE, SANDBOX_DISK_FULL; nothing is left then */
  async #start(job: SandboxJob): Promise<Started> {
    const { parents, recordsDir } = this.#context;
    const { guards } = this.#backend;
    const settings = withPriority(guards.cgroup, () => this.#priority);
    const slot = randomInt(2 ** 32);
    const name = newName('', slot);
    const forget = recordJob(recordsDir, name, groupDirectories(parents, name));
    let group: Group | undefined;
    let build: BuildProcess | undefined;
    const end = async (): Promise<void> => {
      try {
        await group?.destroy();
        await build?.cleanUp?.();
      } finally {
        forget();
      }
    };
    try {
      group = createGroup(parents, name, capped(job.limits, this.#caps), settings);
      if (this.#frozen) group.freeze(true);
      const bytes = guards.diskFileBytes(job.limits);
      const onDisk = bytes !== undefined && (await this.diskAbility()).ok;
      const makeDisk = (owners: DiskOwners) => makeDiskFile(jobFolder(recordsDir, name), bytes ?? 0, owners);
      build = await this.#backend.launch(job, {
        directories: group.directories,
        slot,
        bounds: processBounds,
        ...(onDisk && { makeDisk }),
      });
      return { group, build, limits: job.limits, filesInMemory: !onDisk, end };
    } catch (error) {
      await end();
      throw error;
    }
  }

  async ahead(limits: SandboxLimits): Promise<boolean> {
    // Its command line holds nothing of a job but this, and its first process waits for the rest.
    const nothing = { source: Readable.from([]), inputs: [], run: [], env: {}, outputs: [] };
    const job: SandboxJob = { ...nothing, limits, image: 'host' };
    const shape = shapeOf(job);
    if (this.#backend.waits?.() !== true || shape === undefined || this.#frozen) return false;
    if (this.#backend.guards.diskFileBytes(limits) !== undefined || this.#running.size > 0) return false;
    checkJob(job, this.#backend);
    const turn = ++this.#turn;
    const started = await this.#start(job);
    this.#ahead.keep(shape, started);
    // Else a job came meanwhile, or the sandbox is not wanted any more.
    if (turn === this.#turn && !this.#frozen) return true;
    await this.#ahead.drop();
    return false;
  }

  dismiss(): Promise<void> {
    this.#turn++;
    return this.#ahead.drop();
  }

  /** Whether builds of this tier can write more than their memory. Tried once, with a small file; throws nothing. */
  diskAbility(): Promise<DiskAbility> {
    this.#disk ??= this.#tryDisk();
    return this.#disk;
  }

  async #tryDisk(): Promise<DiskAbility> {
    const { disk } = this.#backend;
    if (disk === undefined) return { ok: false, found: 'in this tier builds write to memory only' };
    const { recordsDir } = this.#context;
    const name = newName('-disk');
    const forget = recordJob(recordsDir, name, []);
    try {
      const ability = await diskAbility(disk, recordsDir, jobFolder(recordsDir, name));
      this.#canDisk = ability.ok;
      return ability;
    } finally {
      forget();
    }
  }

  freeze = (): void => this.#freeze(true);
  thaw = (): void => this.#freeze(false);

  #freeze(frozen: boolean): void {
    this.#turn++;
    this.#frozen = frozen;
    if (frozen) void this.dismiss();
    for (const { group, supervisor } of this.#running) {
      group.freeze(frozen);
      supervisor.pause(frozen);
    }
  }

  cap(caps: SandboxCaps): string[] {
    this.#turn++;
    this.#caps = caps;
    for (const { supervisor } of this.#running) supervisor.cap(caps);
    return this.#apply();
  }

  prioritise(priority: SandboxPriority): string[] {
    this.#turn++;
    this.#priority = priority;
    return this.#apply();
  }

  #apply(): string[] {
    return this.#held().flatMap(({ group, limits }) => group.limit(capped(limits, this.#caps)));
  }

  get abilities(): SandboxAbilities {
    const { parents, recordsDir } = this.#context;
    if (this.#abilities === undefined) {
      const name = newName('-look');
      const forget = recordJob(recordsDir, name, groupDirectories(parents, name));
      try {
        this.#abilities = detectAbilities(parents, name);
      } finally {
        forget();
      }
    }
    return { ...this.#abilities, disk: this.#canDisk };
  }

  usage(): SandboxUsage[] {
    return this.#held().map(({ group }) => group.usage());
  }

  /** Sandboxes that run a job, and the one that waits for a job: the operator's limits hold for both. */
  #held(): { group: Group; limits: SandboxLimits }[] {
    const { waiting } = this.#ahead;
    return [...this.#running, ...(waiting === undefined ? [] : [waiting])];
  }

  processorSeconds(): number {
    return this.usage().reduce((sum, { processorSeconds }) => sum + (processorSeconds || 0), this.#ended);
  }
}

const newName = (kind: string, slot = randomInt(2 ** 32)): string =>
  `${groupPrefix}${process.pid}${kind}-${slot.toString(16)}`;

function capped(limits: SandboxLimits, caps: SandboxCaps): SandboxLimits {
  return {
    ...limits,
    cpus: Math.min(limits.cpus, caps.cpus ?? limits.cpus),
    memoryBytes: Math.min(limits.memoryBytes, caps.memoryBytes ?? limits.memoryBytes),
    pids: Math.min(limits.pids, caps.pids ?? limits.pids),
  };
}
