import { randomInt } from 'node:crypto';
import { cpus, release } from 'node:os';
import type { Unpinned } from '../../src/core/documents/statement.ts';
import { abilitiesOf } from '../cgroups/abilities.ts';
import { createGroup, type Group, groupDirectories } from '../cgroups/group.ts';
import { groupPrefix, jobFolder, noteJob } from '../cgroups/leftovers.ts';
import type { Place } from '../cgroups/place.ts';
import { lowPriority, withPriority } from '../cgroups/settings.ts';
import { checkJob } from '../job.ts';
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
import type { BuildGuards } from './guards.ts';
import type { Launched } from './launched.ts';
import { Run } from './run.ts';

export interface Launching {
  /** Groups that the build's first process must be in before its first instruction (startInGroups does it). */
  readonly directories: readonly string[];
  /** A random number that tells jobs apart which run at the same time. */
  readonly slot: number;
  /** For files of the tier's own; the tier makes it. Removed after the job, and after a crash by the next start. */
  readonly folder: string;
  /** Name of the job's group, which no other job on the machine has. */
  readonly name: string;
}

/** What makes a tier what it is: how it starts a build. Groups, limits, streams and the end of it are alike in all. */
export interface TierDriver {
  readonly tier: Tier;
  /** Whether a build can run on the machine's own system (`image: host`). */
  readonly hostImage: boolean;
  readonly guards: BuildGuards;
  /** What it cannot pin; by default the kernel that its probe saw from inside, and the host's processor. */
  unpinned?(): Unpinned;
  launch(job: SandboxJob, launching: Launching): Promise<Launched>;
}

export interface TierParts {
  readonly places: readonly Place[];
  /** Folder of the notes a crashed worker's successor sweeps by. */
  readonly notes: string;
}

/** One tier at work. */
export class TierSandbox implements Sandbox, Steering {
  readonly profile = 'quorate-sandbox/1';
  readonly #driver: TierDriver;
  readonly #parts: TierParts;
  readonly #running = new Set<{ group: Group; run: Run; limits: SandboxLimits }>();
  #frozen = false;
  #caps: SandboxCaps = {};
  #priority = lowPriority;
  #abilities: SandboxAbilities | undefined;
  #kernel = release();
  /** Processor time of jobs that have ended, in seconds. */
  #ended = 0;

  constructor(driver: TierDriver, parts: TierParts) {
    this.#driver = driver;
    this.#parts = parts;
  }

  get tier(): Tier {
    return this.#driver.tier;
  }

  get hostImage(): boolean {
    return this.#driver.hostImage;
  }

  get unpinned(): Unpinned {
    return (
      this.#driver.unpinned?.() ?? { kernel: this.#kernel, processor: cpus()[0]?.model.slice(0, 100) ?? '' }
    );
  }

  /** What its builds take for the kernel's release; the host's, until told otherwise. */
  set kernel(release: string) {
    this.#kernel = release.slice(0, 100);
  }

  async run(job: SandboxJob, io: SandboxIo): Promise<SandboxOutcome> {
    checkJob(job, this.#driver);
    const { places, notes } = this.#parts;
    const { guards } = this.#driver;
    const settings = withPriority(guards.cgroup, () => this.#priority);
    const slot = randomInt(2 ** 32);
    const name = `${groupPrefix}${process.pid}-${slot.toString(16)}`;
    const forget = noteJob(notes, name, groupDirectories(places, name));
    let group: Group | undefined;
    let launched: Launched | undefined;
    try {
      group = createGroup(places, name, capped(job.limits, this.#caps), settings);
      if (this.#frozen) group.freeze(true);
      launched = await this.#driver.launch(job, {
        ...{ directories: group.directories, slot, name },
        folder: jobFolder(notes, name),
      });
      const running = { group, run: new Run(job, io, group, guards, launched), limits: job.limits };
      running.run.pause(this.#frozen);
      running.run.cap(this.#caps);
      this.#running.add(running);
      try {
        return await running.run.outcome();
      } finally {
        this.#running.delete(running);
        this.#ended += group.usage().processorSeconds || 0;
      }
    } finally {
      await group?.destroy();
      await launched?.cleanUp?.();
      forget();
    }
  }

  freeze(): void {
    this.#freeze(true);
  }

  thaw(): void {
    this.#freeze(false);
  }

  #freeze(frozen: boolean): void {
    this.#frozen = frozen;
    for (const { group, run } of this.#running) {
      group.freeze(frozen);
      run.pause(frozen);
    }
  }

  cap(caps: SandboxCaps): string[] {
    this.#caps = caps;
    for (const { run } of this.#running) run.cap(caps);
    return this.#apply();
  }

  prioritise(priority: SandboxPriority): string[] {
    this.#priority = priority;
    return this.#apply();
  }

  #apply(): string[] {
    return [...this.#running].flatMap(({ group, limits }) => group.limit(capped(limits, this.#caps)));
  }

  get abilities(): SandboxAbilities {
    const name = `${groupPrefix}${process.pid}-look-${randomInt(2 ** 32).toString(16)}`;
    this.#abilities ??= abilitiesOf(this.#parts.places, name);
    return this.#abilities;
  }

  usage(): SandboxUsage[] {
    return [...this.#running].map(({ group }) => group.usage());
  }

  processorSeconds(): number {
    return this.usage().reduce((sum, { processorSeconds }) => sum + (processorSeconds || 0), this.#ended);
  }
}

function capped(limits: SandboxLimits, caps: SandboxCaps): SandboxLimits {
  return {
    ...limits,
    cpus: Math.min(limits.cpus, caps.cpus ?? limits.cpus),
    memoryBytes: Math.min(limits.memoryBytes, caps.memoryBytes ?? limits.memoryBytes),
    pids: Math.min(limits.pids, caps.pids ?? limits.pids),
  };
}
