import { accountOf } from '../../protocol/account/index.ts';
import { codeOf } from '../../protocol/base/errors.ts';
import type { RunSummary } from '../../protocol/wire/runs.ts';
import { isSameStand } from '../machine/publications.ts';
import { isOver, type WatchState } from '../machine/state.ts';
import type { RunStand } from '../machine/status.ts';
import { watchSessionLimits } from './limits.ts';

/** The controller's word on runs. @throws those of `Client`. */
export interface RunLists {
  jobs(): Promise<{ jobs: RunSummary[] }>;
  show(run: string): Promise<{ summary: RunSummary }>;
}

export const openRuns = ({ publications }: WatchState): string[] =>
  [...publications.values()]
    .filter(({ phase }) => phase === 'published')
    .flatMap(({ runs, stands }) => runs.filter(({ run }) => !isOver(stands.get(run))).map(({ run }) => run));

/** Stands that changed or are new. `asked`: runs asked for one by one, in turn; updated here. @throws as `Client.jobs` */
export async function standsOf(client: RunLists, state: WatchState, asked: Set<string>): Promise<RunStand[]> {
  const known = new Map<string, RunStand | undefined>();
  for (const { runs, stands } of state.publications.values())
    for (const { run } of runs) known.set(run, stands.get(run));
  if (known.size === 0) return [];
  const { jobs } = await client.jobs();
  const found = jobs.filter(({ run }) => known.has(run)).map(standIn);
  const listed = new Set(found.map(({ run }) => run));
  const unlisted = openRuns(state).filter((one) => !listed.has(one));
  if (unlisted.every((one) => asked.has(one))) asked.clear();
  for (const run of unlisted.filter((one) => !asked.has(one)).slice(0, watchSessionLimits.runsAskedMax)) {
    asked.add(run);
    const shown = await client.show(run).catch((error: unknown) => {
      if (codeOf(error) !== 'JOB_UNKNOWN') throw error;
      return undefined;
    });
    // A controller that lost it, as after a restore from an older copy, has nothing to say of it any more.
    found.push(shown === undefined ? { run, state: 'lost', level: null } : standIn(shown.summary));
  }
  return found.filter((stand) => !isSameStand(stand, known.get(stand.run)));
}

function standIn(summary: RunSummary): RunStand {
  const { run, state, level, reason, cosigned, revoked } = summary;
  const { state: said, reason: why } = accountOf(summary);
  return {
    run,
    state,
    level,
    ...(reason !== undefined && { reason }),
    // Without the names of builders, which change often: forges count requests.
    account: { state: said, reason: said === 'building' ? '' : why },
    ...(cosigned === false && { cosigned }),
    ...(revoked !== undefined && { revoked: true }),
  };
}
