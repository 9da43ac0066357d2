import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { membersOf } from '../../../src/member/client.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { revocationServer } from '../../../src/protocol/sessions/revocation-exchange.ts';
import { provenByMembers } from '../../../src/watcher/node/hook-evidence.ts';
import { folder } from '../../support/code-and-folder.ts';
import { loopbackMesh } from '../../support/mesh.ts';
import { project } from '../../support/project.ts';

const { signal } = new AbortController();

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

it('members are asked once in five minutes by a hook, and that nobody answers is told once', async () => {
  const told: unknown[] = [];
  let error = new QuorateError('MEMBERSHIP_NOT_FOUND', `none\n${'x'.repeat(600)}`);
  let asked = 0;
  const membership = async () => {
    asked++;
    throw error;
  };
  const home = { dir: await folder(), membership } as never;
  const proven = provenByMembers({ home, project, signal, tell: (one) => void told.push(one) });
  expect(await proven()).toEqual([]);
  vi.advanceTimersByTime(5 * 60_000 - 1);
  await proven();
  expect(asked).toBe(1);
  vi.advanceTimersByTime(1);
  await proven();
  expect(asked).toBe(2);
  expect(told).toMatchObject([{ event: 'waiting', code: 'MEMBERSHIP_NOT_FOUND' }]);
  expect((told[0] as { message: string }).message.length).toBeLessThan(600);
  vi.advanceTimersByTime(5 * 60_000);
  error = new QuorateError('HOME_UNREADABLE', 'no');
  await expect(proven()).rejects.toBe(error);
});

it('members are asked once a minute by a command', async () => {
  let asked = 0;
  const credentials = {
    get membership() {
      asked++;
      throw new Error('asked');
    },
  };
  const ask = membersOf(credentials as never, signal);
  await expect(ask({} as never)).rejects.toThrow('asked');
  vi.advanceTimersByTime(60_000 - 1);
  await ask({} as never);
  expect(asked).toBe(1);
  vi.advanceTimersByTime(1);
  await expect(ask({} as never)).rejects.toThrow('asked');
});

it('that nobody answers is told again after somebody did; a mistake of ours and the end of a hook are errors', async () => {
  const mesh = await loopbackMesh();
  onTestFinished(() => mesh.close());
  const { protocol, session, options } = revocationServer({
    page: () => ({ charters: [], revocations: [] }),
    evidence: () => [],
    checkpoint: () => undefined,
  });
  mesh.handle(protocol, session, options);
  const there = { bootstrap: [], controllers: [{ id: mesh.id, addrs: mesh.addresses() }] };
  const away = new QuorateError('MEMBERSHIP_NOT_FOUND', 'none');
  let answer: () => unknown = () => there;
  const told: unknown[] = [];
  const stop = new AbortController();
  const proven = provenByMembers({
    home: { dir: await folder(), membership: async () => answer() } as never,
    project,
    signal: stop.signal,
    tell: (one) => void told.push(one),
  });
  const fails = (error: Error) => () => {
    throw error;
  };
  for (const [next, count] of [
    [() => there, 0],
    [fails(away), 1],
    [() => there, 1],
    [fails(away), 2],
  ] as const) {
    answer = next;
    await proven();
    expect(told).toHaveLength(count);
    vi.advanceTimersByTime(5 * 60_000);
  }
  const mistake = new Error('a mistake');
  answer = fails(mistake);
  await expect(proven()).rejects.toBe(mistake);
  vi.advanceTimersByTime(5 * 60_000);
  answer = fails(away);
  const reason = new Error('ends');
  stop.abort(reason);
  await expect(proven()).rejects.toBe(reason);
});
