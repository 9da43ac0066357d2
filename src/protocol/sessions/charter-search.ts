import { limits } from '../base/limits.ts';
import { type ApiDown, type ApiUp, apiDownSchema } from '../wire/messages.ts';
import { protocols } from '../wire/protocols.ts';
import { sessionLimits, sessionTimes } from './limits.ts';
import { MessageStream } from './message-stream.ts';
import type { Dial, PeerAddress } from './ports.ts';

/**
 * Asks whoever answers at these controllers' addresses, and these peers, for the charter: a controller whose key was replaced is found
 * at its old address. Answers count once the root's signature was seen. Never throws; ends within twice `searchMs`.
 */
export async function searchCharters(
  dial: Dial,
  controllers: readonly PeerAddress[],
  peers: readonly PeerAddress[] = [],
): Promise<string[]> {
  const addrs = new Set(
    controllers.flatMap(({ id, addrs: all }) => all.map((addr) => withoutPeer(addr, id))),
  );
  const places = [...addrs].map((addr) => ({ id: null, addrs: [addr] }));
  const asked = [...places, ...peers].slice(0, sessionLimits.charterSearchMax);
  const answers = await Promise.all(asked.map((place) => charterAt(dial, place).catch(() => undefined)));
  return answers.flatMap((answer) => answer ?? []);
}

/** A relayed address names the relay too, which stays. */
function withoutPeer(addr: string, id: string): string {
  const own = `/p2p/${id}`;
  return addr.endsWith(own) ? addr.slice(0, -own.length) : addr;
}

/** The same addresses, for another key. */
export function addressesOf({ id, addrs }: PeerAddress, other: string): string[] {
  return addrs.map((addr) => `${withoutPeer(addr, id)}/p2p/${other}`);
}

async function charterAt(dial: Dial, place: Parameters<Dial>[0]): Promise<string | undefined> {
  const maxMessageBytes = 2 * limits.documentBytesMax;
  const channel = await dial(place, protocols.api, { timeoutMs: sessionTimes.searchMs, maxMessageBytes });
  const stream = new MessageStream<ApiUp, ApiDown>(channel, apiDownSchema, 'an answer about the charter');
  try {
    await stream.send({ kind: 'charter' });
    const answer = await stream.receive({ timeoutMs: sessionTimes.searchMs });
    return answer?.kind === 'charter' ? answer.charter : undefined;
  } finally {
    channel.abort(new Error('the charter was asked for, and nothing else'));
  }
}
