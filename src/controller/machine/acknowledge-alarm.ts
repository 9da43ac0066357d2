import { QuorateError } from '../../protocol/base/errors.ts';
import { type EventOf, mustSync, type Transition, tell, unchanged } from './state.ts';

/**
 * Somebody who may publish has looked at the alarm of a run: it is raised no more, unless there is a new reason for one. Where there is
 * none, nothing changes. Errors: `JOB_UNKNOWN`.
 */
export function acknowledgeAlarm(
  transition: Transition,
  { token, run: id, by }: EventOf<'acknowledge'>,
): void {
  const { state, out } = transition;
  const run = state.index.get(id);
  if (run === undefined) throw new QuorateError('JOB_UNKNOWN', `no run has the id ${id.slice(0, 64)}`);
  if (state.alarms.has(id)) {
    mustSync(transition);
    tell(transition, run, { kind: 'acknowledged', by });
  } else unchanged(transition);
  if (token !== undefined) out.push({ kind: 'reply', token, reply: { kind: 'acknowledged', run: id } });
}
