import { randomInt } from 'node:crypto';
import { createGroup, type Group, groupDirectories } from '../cgroups/group.ts';
import { groupPrefix, noteJob } from '../cgroups/leftovers.ts';
import type { Place } from '../cgroups/place.ts';
import { checkJob } from '../job.ts';
import type { Sandbox, SandboxIo, SandboxJob, SandboxOutcome } from '../types.ts';
import { type Guards, guards } from './guards.ts';
import { Run } from './run.ts';

export interface NamespaceParts {
  readonly places: readonly Place[];
  /** Folder of the notes a crashed worker's successor sweeps by. */
  readonly notes: string;
  readonly guards?: Guards;
}

/** The `namespace` tier: bubblewrap, a seccomp filter and control groups. It shares the host's kernel. */
export class NamespaceSandbox implements Sandbox {
  readonly tier = 'namespace';
  readonly profile = 'quorate-sandbox/1';
  readonly #parts: NamespaceParts;

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
      group = createGroup(places, name, job.limits, active.cgroup);
      return await new Run(job, io, group, active, slot).outcome();
    } finally {
      await group?.destroy();
      forget();
    }
  }
}
