import { randomInt } from 'node:crypto';
import { createGroup, type Group, groupDirectories } from '../cgroups/group.ts';
import { groupPrefix, noteJob } from '../cgroups/leftovers.ts';
import type { Place } from '../cgroups/place.ts';
import { checkJob } from '../job.ts';
import type {
  Sandbox,
  SandboxCaps,
  SandboxIo,
  SandboxJob,
  SandboxLimits,
  SandboxOutcome,
  SandboxUsage,
  Steering,
} from '../types.ts';
import { type Guards, guards } from './guards.ts';
import { Run } from './run.ts';

export interface NamespaceParts {
  readonly places: readonly Place[];
  /** Folder of the notes a crashed worker's successor sweeps by. */
  readonly notes: string;
  readonly guards?: Guards;
}

/** The `namespace` tier: bubblewrap, a seccomp filter and control groups. It shares the host's kernel. */
export class NamespaceSandbox implements Sandbox, Steering {
  readonly tier = 'namespace';
  readonly profile = 'quorate-sandbox/1';
  readonly #parts: NamespaceParts;
  readonly #running = new Set<{ group: Group; run: Run; limits: SandboxLimits }>();
  #frozen = false;
  #caps: SandboxCaps = {};
  /** Processor time of jobs that have ended, in seconds. */
  #ended = 0;

  constructor(parts: NamespaceParts) {
    this.#parts = parts;
  }

  async run(job: SandboxJob, io: SandboxIo): Promise<SandboxOutcome> {
    checkJob(job);
    const { places, notes } = this.#parts;
    const active = this.#parts.guards ?? guards;
    const slot = randomInt(2 ** 32);
    const name = `${groupPrefix}${process.pid}-${slot.toString(16)}`;
    const forget = noteJob(notes, name, groupDirectories(places, name));
    let group: Group | undefined;
    try {
      group = createGroup(places, name, capped(job.limits, this.#caps), active.cgroup);
      if (this.#frozen) group.freeze(true);
      const running = { group, run: new Run(job, io, group, active, slot), limits: job.limits };
      running.run.pause(this.#frozen);
      this.#running.add(running);
      try {
        return await running.run.outcome();
      } finally {
        this.#running.delete(running);
        this.#ended += group.usage().processorSeconds || 0;
      }
    } finally {
      await group?.destroy();
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
    return [...this.#running].flatMap(({ group, limits }) => group.limit(capped(limits, caps)));
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
