import type { RunFacts } from '../../src/controller/machine/facts.ts';
import type { ControllerState } from '../../src/controller/machine/state.ts';
import { History } from './history.ts';

/** A controller that knows so many finished runs: a real one, and others that differ in what lists are filtered by. */
export async function stateOf(count: number): Promise<ControllerState> {
  const history = new History();
  await history.start();
  await history.run(1);
  const { state } = history.machine;
  const [real] = state.index.latest();
  if (real === undefined) throw new Error('the history has a run');
  for (let n = 1; n < count; n++) {
    const id = n.toString(16).padStart(64, '0');
    const ref = n % 10 === 0 ? `refs/heads/topic-${n % 1000}` : 'refs/heads/main';
    // A commit has some jobs.
    const commit = Math.floor(n / 30)
      .toString(16)
      .padStart(40, '0');
    const payload = { ...real.request.payload, ref, commit };
    const run: RunFacts = {
      ...real,
      id,
      jobId: `${real.jobId.slice(0, -8)}${n.toString(36).padStart(8, 'a')}`,
      job: { ...real.job, name: n % 7 === 0 ? 'rare' : 'build' },
      request: { ...real.request, payload },
    };
    state.index.submitted(run as Parameters<typeof state.index.submitted>[0]);
    state.index.ended(run);
  }
  return state;
}
