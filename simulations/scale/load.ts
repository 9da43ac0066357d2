import { sessionTimes } from '../../src/protocol/sessions/limits.ts';
import { costs } from './assumptions.ts';
import type { Frames } from './frames.ts';
import type { Spread } from './gossip.ts';
import type { Answered } from './round.ts';

/** Messages and bytes of a job, or of a second. */
export interface Load {
  messages: number;
  bytes: number;
}

const sum = (...loads: readonly Load[]): Load => ({
  messages: loads.reduce((all, { messages }) => all + messages, 0),
  bytes: loads.reduce((all, { bytes }) => all + bytes, 0),
});
const times = (count: number, bytes: number): Load => ({ messages: count, bytes: count * bytes });

/** The load of the controller by one job of three builds, without that of the trusted worker, of logs and of artifacts. */
export function jobLoad(
  frames: Frames,
  spread: Spread,
  { claims, passes, heartbeats }: Answered,
  slots: number,
) {
  const gossip = sum(
    times(spread.fromController, frames.offer),
    times(spread.fromController, frames.verdict),
  );
  const { claim, pass, standby, reserve, lease, heartbeat, receipt, ack, reveal } = frames;
  const answers = sum(
    times(claims, claim + standby + reserve),
    times(passes, pass + standby),
    times(heartbeats, heartbeat),
  );
  const answered: Load = { ...answers, messages: 3 * claims + 2 * passes + heartbeats };
  const builds = times(slots, lease + receipt + ack + reveal);
  return { gossip, answered, builds: { ...builds, messages: 4 * slots } };
}

/** Copies of the notices of one job that workers send to each other. */
export const forwardedLoad = (frames: Frames, { fromWorkers }: Spread): Load =>
  sum(times(fromWorkers, frames.offer), times(fromWorkers, frames.verdict));

/** The load of the controller in a second in which the log grows: polls of all workers, their lines, and the gossip of a checkpoint. */
export function standingLoad(frames: Frames, workers: number): Load {
  const polls = (workers * 1000) / sessionTimes.pollMs;
  const feed = times(polls, frames.poll + frames.backlog + frames.witness);
  return sum(
    { ...feed, messages: 3 * polls },
    times((workers * 1000) / sessionTimes.checkpointMs, frames.checkpoint),
  );
}

/** Cores of the controller that it takes, by measured costs. */
export function standingCores(workers: number): number {
  const perSecond = (workers * 1000) / sessionTimes.pollMs;
  const { messageMs, verifyMs } = costs;
  const gossip = ((workers * 1000) / sessionTimes.checkpointMs) * messageMs;
  return (perSecond * (3 * messageMs + verifyMs) + gossip) / 1000;
}

/** Processor time of the controller for one job, in ms. */
export const jobMs = (spread: Spread, { claims, passes, heartbeats }: Answered): number =>
  costs.runMs +
  2 * spread.fromController * costs.messageMs +
  (claims + passes) * costs.claimMs +
  heartbeats * costs.messageMs;
