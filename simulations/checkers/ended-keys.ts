import {
  type ControllerState,
  type LoggedRevocation,
  liveLeases,
} from '../../src/controller/machine/state.ts';
import { type Observe, Violation } from '../observer.ts';

/** The end of a key by the root. */
const isEnd = ({ revocation: { payload, signer } }: LoggedRevocation): boolean =>
  payload.what.kind === 'key' && signer === payload.project;

/** The revocations that count, by what was signed: of a key that the root ended those that each of its ends keeps. */
export function countingIn(revocations: readonly LoggedRevocation[]): LoggedRevocation[] {
  return revocations.filter(({ revocation: { id, signer } }) =>
    revocations.every((end) => {
      const { what, keeps = [] } = end.revocation.payload;
      return !isEnd(end) || what.id !== signer || keeps.includes(id);
    }),
  );
}

/** From which leaf on the root ended an identity provider's key; undefined where it did not. */
export function endOf(
  { revocations }: Pick<ControllerState, 'revocations'>,
  key: string,
): number | undefined {
  const ends = revocations.filter((one) => isEnd(one) && one.revocation.payload.what.id === key);
  return ends.length === 0 ? undefined : Math.min(...ends.map((one) => one.revocation.payload.since));
}

/** Once the root has ended an identity provider's key, who joined with its tickets from then on gets neither grant nor lease, and holds none. */
export function endedKeys(): Observe {
  /** By member: the key that signed its ticket, and the size of the log when it joined. */
  const joined = new Map<string, { by: string; at: number }>();
  let size = 0;

  const isDismissed = (state: ControllerState, key: string): boolean => {
    const how = joined.get(key);
    const end = how === undefined ? undefined : endOf(state, how.by);
    return how !== undefined && end !== undefined && end <= how.at;
  };

  return (seen, truth) => {
    if (seen.kind === 'restarted' && seen.state !== undefined) {
      size = seen.state.log.size;
      // One whose joining a copy does not have may be a member again.
      for (const key of joined.keys())
        if (!seen.state.keys.has(key) && seen.isCopy !== true) joined.delete(key);
    }
    if (seen.kind !== 'handled') return;
    const { state, event, effects } = seen;
    for (const effect of effects) {
      if (effect.kind !== 'reply') continue;
      const { reply } = effect;
      const key =
        reply.kind === 'grant' ? reply.grant.sub : reply.kind === 'lease' ? reply.lease.aud : undefined;
      if (key === undefined) continue;
      // A dismissed key may join again with another ticket.
      if (event.kind === 'enrol' && (!joined.has(key) || isDismissed(state, key)))
        joined.set(key, { by: event.invite.signer, at: size });
      if (isDismissed(state, key) && event.kind !== 'resume')
        throw new Violation(`${truth.personOf(key)} got a ${reply.kind} on the word of an ended key`);
    }
    size = state.log.size;
    for (const run of state.index.open.values())
      for (const { worker } of liveLeases(run))
        if (isDismissed(state, worker))
          throw new Violation(`${truth.personOf(worker)} holds a lease on the word of an ended key`);
  };
}
