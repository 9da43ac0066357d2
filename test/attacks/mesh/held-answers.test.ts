import { beforeEach, describe, expect, test } from 'vitest';
import { meshLimits } from '../../../src/mesh/limits.ts';
import { Bandwidth } from '../../../src/protocol/base/bandwidth.ts';
import { node, sleep, until } from '../../mesh/harness.ts';
import { withLimits } from '../../support/with-limits.ts';
import { connect, plain } from './plain.ts';

/** Of YamuxMuxer of @libp2p/yamux. */
interface Muxer {
  sendPing(id: number, flag: number): void;
  handlePingResponse(id: number): void;
}
const syn = 1;
/** Pings of one turn of the event loop. */
const atOnce = 1_000;

/**
 * A peer sends pings of yamux, each of which has an answer. `bytesPerSecond`: that leave the victim, which stands for what the peer reads;
 * without it the peer reads all answers to some pings before it sends more. Gives the code with which the victim ended the connection.
 */
async function flood(pings: number, bytesPerSecond?: number): Promise<string | undefined> {
  const bandwidth = new Bandwidth();
  const victim = await node({ bandwidth });
  // Its own look at the connection, every ten seconds, would end it where the answers are slow.
  const attacker = await plain({}, { connectionMonitor: { enabled: false } });
  const connection = await connect(attacker, victim);
  await until('connected', () => victim.connected().includes(attacker.peerId.toString()));
  const { muxer } = connection as unknown as { muxer: Muxer };
  let answers = 0;
  // The library ends a connection on an answer to a ping that it did not ask for.
  muxer.handlePingResponse = () => {
    answers += 1;
  };
  let code: string | undefined;
  let isClosed = false;
  const [there] = victim.libp2p.getConnections(attacker.peerId);
  there?.addEventListener('close', ({ error }) => {
    code = (error as { code?: string } | undefined)?.code;
    isClosed = true;
  });
  if (bytesPerSecond !== undefined) bandwidth.up.perSecond = bytesPerSecond;
  for (let sent = 0; sent < pings && connection.status === 'open'; sent += atOnce) {
    for (let n = 0; n < atOnce; n++) muxer.sendPing(sent + n, syn);
    await sleep(1);
    if (bytesPerSecond === undefined) await until('all is answered', () => answers >= sent + atOnce);
  }
  if (connection.status !== 'open') await until('closed', () => isClosed);
  return code;
}

describe('a peer has its frames answered and reads nothing', () => {
  beforeEach(() => withLimits(meshLimits, { heldFramesMax: 4_000 }));

  test('is left once so many answers wait', async () => {
    expect(await flood(4 * meshLimits.heldFramesMax, 1_000)).toBe('MESH_PEER_QUOTA');
  });

  test('control: one that reads as many stays, and so does a slow one with fewer', async () => {
    expect(await flood(2 * meshLimits.heldFramesMax)).toBeUndefined();
    expect(await flood(meshLimits.heldFramesMax / 2, 1_000)).not.toBe('MESH_PEER_QUOTA');
  });
});
