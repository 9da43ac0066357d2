import { describe, expect, it } from 'vitest';
import { Scheduler } from '../../../simulations/scheduler.ts';
import { reportedError } from '../../../src/protocol/base/errors.ts';
import { AnswerSigner } from '../../../src/worker/sessions/answer-signer.ts';
import type { DraftChecks } from '../../../src/worker/sessions/draft-checks.ts';
import type { GrantRenewal } from '../../../src/worker/sessions/grant-renewal.ts';
import type { LogWitness } from '../../../src/worker/sessions/log-witness.ts';
import type { WorkerPorts } from '../../../src/worker/sessions/ports.ts';
import { FakeChannel } from './fake-channel.ts';
import { settle } from './start-desk.ts';

/** The stream of a trusted worker to a controller that refuses with `refusal`, while there is one. */
function connected(refusal?: string) {
  const time = new Scheduler(settle);
  const began = time.now;
  const streams: FakeChannel<{ kind: string; grant?: string }>[] = [];
  const dialled: number[] = [];
  const state = { refusal, closing: false, refreshed: 0 };
  const credentials = {
    membership: { project: 'p' },
    controller: { id: 'controller', addrs: [] },
    charter: { trusted: ['it'] },
    grant: { raw: 'a.b.c', payload: { role: 'trusted-worker' } },
  };
  const ports = {
    credentials,
    clock: {
      now: () => time.now,
      monotonic: () => time.now,
      onClosing: () => () => {},
      after: (ms: number, act: () => void) => time.after(ms, act),
      get closing() {
        return state.closing;
      },
    },
    // A factor of 1.
    signing: { nonce: () => ' ', signer: { id: 'it' } },
    dial: async () => {
      dialled.push(time.now - began);
      if (state.refusal !== undefined) throw reportedError(state.refusal, 'refused');
      const stream = new FakeChannel<{ kind: string }>('controller');
      streams.push(stream);
      return stream.channel;
    },
  } as unknown as WorkerPorts;
  const grants = { refresh: async () => void state.refreshed++ } as unknown as GrantRenewal;
  void new AnswerSigner(ports, grants, {} as DraftChecks, {} as LogWitness).run();
  const said = () => streams.map((stream) => stream.said.map(({ kind }) => kind));
  return { streams, dialled, state, credentials, said, until: (ms: number) => time.run(began + ms) };
}

describe('the stream of answers', () => {
  it('that cannot be made is tried again after 500 ms, and twice as long each time up to 15 s', async () => {
    const { dialled, until } = connected('MESH_RESET');
    await until(50_000);
    expect(dialled).toEqual([0, 500, 1_500, 3_500, 7_500, 15_500, 30_500, 45_500]);
  });

  it.each([
    [15_000, 4_000],
    [15_001, 500],
  ])('that lasted %i ms is made again after %i ms', async (lasts, wait) => {
    const { dialled, state, streams, until } = connected('MESH_RESET');
    await until(1_500);
    state.refusal = undefined;
    await until(3_500 + lasts);
    streams[0]?.end();
    await until(3_500 + lasts + wait - 1);
    expect(dialled).toEqual([0, 500, 1_500, 3_500]);
    await until(3_500 + lasts + wait);
    expect(dialled).toHaveLength(5);
  });

  it('says hello, a heartbeat every 30 s, and hello again with a grant that was renewed', async () => {
    const { credentials, said, streams, until } = connected();
    await until(30_000);
    expect(said()).toEqual([['hello', 'heartbeat']]);
    credentials.grant = { ...credentials.grant, raw: 'd.e.f' };
    await until(90_000);
    expect(said()).toEqual([['hello', 'heartbeat', 'hello', 'heartbeat']]);
    expect(streams[0]?.said.flatMap(({ grant }) => grant ?? [])).toEqual(['a.b.c', 'd.e.f']);
  });

  it.each([
    ['DOC_EXPIRED', 1],
    ['MESH_RESET', 0],
  ])(
    'ends with the error %s of the controller, for which the grant is renewed: %i',
    async (code, renewed) => {
      const { dialled, state, streams, until } = connected();
      await until(0);
      streams[0]?.say({ kind: 'error', code, message: 'no' });
      await until(499);
      expect([streams[0]?.closed, state.refreshed]).toEqual([true, renewed]);
      await until(500);
      expect(dialled).toEqual([0, 500]);
      // The stream that ended says nothing more.
      await until(40_000);
      expect(streams[0]?.said).toHaveLength(1);
    },
  );

  it('ends with the worker', async () => {
    const { dialled, state, streams, until } = connected();
    await until(0);
    state.closing = true;
    streams[0]?.end();
    await until(60_000);
    expect(dialled).toEqual([0]);
  });
});
