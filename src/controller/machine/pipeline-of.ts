import { limits } from '../../protocol/base/limits.ts';
import { limitText } from '../../protocol/judge/index.ts';
import { countsUncosigned } from '../../protocol/trust/not-cosigned.ts';
import type { PipelineJob } from '../../protocol/wire/runs.ts';
import { differsOf } from './compare-earlier.ts';
import type { RunFacts } from './facts.ts';
import { awaitsOf } from './open-facts.ts';
import { type ControllerState, levelOf, publishedOf } from './state.ts';
import { needsOfRun } from './verdicts/input-levels.ts';

/**
 * The runs of this one's pipeline: all that it rests on, all that rests on it, and all that these are connected with, in the
 * order they were submitted; at most `pipelineJobsMax`. Just this run where it stands alone.
 */
export function pipelineOf(state: ControllerState, run: RunFacts): PipelineJob[] {
  const found = new Map([[run.id, run]]);
  for (const one of found.values()) {
    const needed = needsOfRun(one).flatMap(([, { request }]) => state.index.get(request) ?? []);
    for (const other of [...needed, ...state.index.readersOf([one.id])])
      if (found.size < limits.pipelineJobsMax) found.set(other.id, other);
  }
  return state.index.inOrder(found.keys()).map((one) => jobOf(state, one));
}

function jobOf(state: ControllerState, run: RunFacts): PipelineJob {
  const level = levelOf(run);
  const { ending = null, limit } = publishedOf(run) ?? {};
  const awaits = awaitsOf(state, run);
  const differs = differsOf(state, run);
  const { phase } = run;
  return {
    run: run.id,
    name: run.job.name,
    state: phase.kind,
    level,
    ...(run.job.kind === 'test' && { test: true }),
    ...(level !== null && countsUncosigned(run.request.payload.policy, level) && { cosigned: false }),
    ...(run.revoked !== null && { revoked: true }),
    ...(ending !== null && { reason: ending }),
    ...(limit !== undefined && { limit: limitText(limit) }),
    ...(phase.kind === 'cancelled' && { cancelled: phase.reason.slice(0, 500) }),
    ...(awaits.length > 0 && { awaits }),
    ...(differs !== undefined && { differs }),
    needs: needsOfRun(run).map(([name, { request, level: wanted }]) => ({
      name,
      run: request,
      level: wanted,
    })),
  };
}
