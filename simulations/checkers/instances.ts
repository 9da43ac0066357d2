import { allRuns, type ControllerState } from '../../src/controller/machine/state.ts';
import { idOf } from '../../src/protocol/documents/index.ts';
import { type Observe, Violation } from '../observer.ts';

/** The controller forgets no instance that a run was built as, and opens each of its rounds once: evidence stays complete. */
export function instances(): Observe {
  /** By run and job: the offer of each round. */
  const offered = new Map<string, Map<string, Map<number, string>>>();

  function check(state: ControllerState, run: string, name: string): void {
    const facts = state.index.get(run);
    if (facts === undefined) return;
    const known = new Set([facts.jobId, ...facts.earlier.map(({ jobId }) => jobId)]);
    const forgotten = [...(offered.get(run)?.keys() ?? [])].filter((job) => !known.has(job));
    if (forgotten.length > 0)
      throw new Violation(`${name} was built on ${forgotten.length} input(s) that are forgotten`);
  }

  return (seen, truth) => {
    const nameOf = (run: string) => truth.workOf(run)?.name ?? run;
    // Only members know what a copy of the disk lacks.
    if (seen.kind === 'replaced') offered.clear();
    if (seen.kind === 'sent' && seen.effect.kind === 'offer') {
      const { run, offer } = seen.effect;
      const jobs = offered.get(run) ?? new Map<string, Map<number, string>>();
      const rounds = jobs.get(offer.job) ?? new Map<number, string>();
      offered.set(run, jobs.set(offer.job, rounds));
      const id = idOf(offer);
      if ((rounds.get(offer.round) ?? id) !== id)
        throw new Violation(`${nameOf(run)}: round ${offer.round} of a job is opened again`);
      rounds.set(offer.round, id);
    }
    if (seen.kind === 'handled' && seen.event.kind === 'recalled')
      check(seen.state, seen.event.run, nameOf(seen.event.run));
    if (seen.kind === 'ended') for (const { id } of allRuns(seen.state)) check(seen.state, id, nameOf(id));
  };
}
