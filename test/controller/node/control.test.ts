import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { askController, askForMembers, ControllerControl } from '../../../src/controller/node/control.ts';
import {
  awaitControllerJournal,
  openControllerJournal,
} from '../../../src/controller/node/controller-journal.ts';
import { controllerNodeLimits } from '../../../src/controller/node/limits.ts';
import { statusOf } from '../../../src/controller/node/status.ts';
import { openJournal } from '../../../src/journal/index.ts';
import { journalFile } from '../../../src/owner/controller-socket.ts';
import { initProject } from '../../../src/owner/project-folder.ts';
import { folder } from '../../support/code-and-folder.ts';
import { withLimits } from '../../support/with-limits.ts';
import { type Bench, deliverAll, leasedRound, projectOf } from '../machine/bench.ts';

/** The control of a bench's controller in a folder of its own, and what became of it. */
async function controlled(bench: Bench) {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-control-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const told: string[] = [];
  const stopped = Promise.withResolvers<void>();
  const { state } = bench.controller;
  const control = new ControllerControl({
    dir,
    project: 'a project',
    state,
    dispatch: async (event) => void bench.send(event),
    tell: (level, kind, says) => void told.push(`${level} ${kind}: ${says}`),
    stop: stopped.resolve,
  });
  await control.open();
  onTestFinished(() => control.close());
  return { dir, told, stopped: stopped.promise, control };
}

describe('a controller that is asked how it is', () => {
  it('says what it does and what it waits for', async () => {
    const { bench, run } = await leasedRound();
    const { dir } = await controlled(bench);
    const status = await askController(dir, { do: 'status' });
    expect(status).toMatchObject({
      state: 'running',
      project: 'a project',
      id: bench.controller.state.id,
      leases: 4,
      stopsBy: null,
      runs: { all: 1, open: 1, states: { building: 1 } },
      oldest: [
        { run, phase: 'building', state: 'building', reason: expect.stringMatching(/^by 3 operators: /) },
      ],
      workers: { worker: 3, 'trusted-worker': 1 },
      operators: { worker: 3, 'trusted-worker': 1 },
    });
    expect(status.waitsFor.map(({ operator }) => operator).sort()).toEqual(['ada', 'bob', 'cy', 'trusted']);
    expect(status).toEqual(
      JSON.parse(
        JSON.stringify(
          statusOf(bench.controller.state, { project: 'a project', running: true, stopsBy: null }),
        ),
      ),
    );
  });

  it('counts runs by what is said of each, and operators without those that are revoked', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const about = { project: 'p', stopsBy: null };
    await bench.submit();
    const running = () => statusOf(bench.controller.state, { ...about, running: true });
    // Its round is open, and nobody builds it.
    expect(running()).toMatchObject({
      runs: { open: 1, states: { waiting: 1 } },
      oldest: [{ phase: 'building', state: 'waiting' }],
      operators: { worker: 3 },
    });
    await bench.revoke({ kind: 'operator', id: 'cy' }, { reason: 'lost laptop' });
    expect(running().operators.worker).toBe(2);
    expect(running().rounds.operators).toBe(2);
    const stopped = statusOf(bench.controller.state, { ...about, running: false });
    expect(stopped.runs.states).toEqual({ waiting: 1 });
  });

  it('says whether it starts or has stopped, and which workers are behind it', async () => {
    const { bench } = await leasedRound();
    const { state } = bench.controller;
    const of = (about: Partial<Parameters<typeof statusOf>[1]>) =>
      statusOf(state, { project: 'p', stopsBy: null, running: true, ...about });
    const asking = { trusted: [], operators: 1, leaves: 1, shown: 0 } as never;
    expect([of({ asking }).state, of({ asking: null }).state]).toEqual(['starting', 'running']);
    expect([of({}).rounds.operators, of({ without: 'ada' }).rounds.operators]).toEqual([3, 2]);
    expect(of({}).behind).toEqual([]);
    const { presence } = state;
    const [first = '', second = ''] = presence.workers.keys();
    const known = presence.workers.get(first);
    if (known !== undefined) presence.workers.set(first, { ...known, version: null });
    for (const worker of [first, second, 'gone']) presence.behind.add(worker);
    expect(of({}).behind).toEqual([
      ...[{ worker: first, operator: known?.operator, role: known?.role, version: null }].map((one) => ({
        ...one,
        says: expect.stringContaining('states no version'),
      })),
    ]);
    const stopped = of({ running: false });
    expect(stopped).toMatchObject({ state: 'stopped', workers: null, behind: [], connections: null });
    expect(stopped.oldest).toMatchObject([{ state: 'waiting', reason: expect.stringContaining('stopped') }]);
  });

  it('says what was revoked, since when, and by which leaf', async () => {
    const bench = await projectOf('ada', 'bob');
    const { dir } = await controlled(bench);
    const what = { kind: 'operator', id: 'bob' } as const;
    const ask = () => askController(dir, { do: 'revoked', what });
    expect(await ask()).toEqual({ revoked: null });
    await bench.revoke(what, { reason: 'lost laptop', since: 2 });
    const [{ index } = { index: -1 }] = bench.controller.state.revocations;
    expect(await ask()).toEqual({ revoked: { since: 2, reason: 'lost laptop', byRoot: false, index } });
    const other = { kind: 'operator', id: 'ada' } as const;
    expect(await askController(dir, { do: 'revoked', what: other })).toEqual({ revoked: null });
    await bench.revoke(other, { reason: 'later', since: 3 });
    await bench.revoke(other, { reason: 'earlier', since: 2 });
    const [, , third] = bench.controller.state.revocations;
    expect(await askController(dir, { do: 'revoked', what: other })).toMatchObject({
      revoked: { since: 2, reason: 'earlier', index: third?.index },
    });
  });

  it('says who joined and by which key, in parts', async () => {
    const bench = await projectOf('ada', 'bob');
    const { state } = bench.controller;
    const [bob] = [...state.keys].slice(-1).map(([, enrolled]) => enrolled);
    if (bob === undefined) throw new Error('nobody joined');
    for (let n = 0; n < 2_500; n++) state.keys.set(`key ${n}`, { ...bob, at: n });
    const { dir } = await controlled(bench);
    const members = await askForMembers(dir);
    expect(members.map(({ key }) => key)).toEqual([...state.keys.keys()]);
    expect(members).toMatchObject(
      [...state.keys.values()].map(({ operator, role, by, at }) => ({
        operator,
        role,
        by,
        since: at,
        state: 'member',
      })),
    );
  });

  it('answers no other request, and goes on', async () => {
    const { dir } = await controlled(await projectOf('ada'));
    for (const request of [{ do: 'stop' }, { do: 'drain' }, { do: 'drain', limitMs: -1 }, [], 'x'])
      await expect(askController(dir, request as never)).rejects.toMatchObject({
        code: 'CONTROL_REQUEST_INVALID',
      });
    expect((await askController(dir, { do: 'status' })).state).toBe('running');
  });

  it('is not there once it has ended, or before it began', async () => {
    const { dir, control } = await controlled(await projectOf('ada'));
    await control.close();
    const absent = { code: 'CONTROLLER_NOT_RUNNING' };
    await expect(askController(dir, { do: 'status' })).rejects.toMatchObject(absent);
  });

  it('is asked again while it starts: its journal is open, and its socket is not there yet', async () => {
    const { dir, control } = await controlled(await projectOf('ada'));
    await control.close();
    const journal = openJournal(journalFile(dir), { name: 'a controller', rules: 1 });
    const asked = askController(dir, { do: 'status' });
    await sleep(100);
    await control.open();
    expect((await asked).state).toBe('running');

    await control.close();
    const starting = { code: 'CONTROLLER_STARTING' };
    await expect(askController(dir, { do: 'status' }, { waitMs: 100 })).rejects.toMatchObject(starting);
    const signal = AbortSignal.timeout(100);
    await expect(askController(dir, { do: 'status' }, { signal })).rejects.toThrow(/aborted/);
    journal.close();
    const absent = { code: 'CONTROLLER_NOT_RUNNING' };
    await expect(askController(dir, { do: 'status' })).rejects.toMatchObject(absent);
  });

  it('waits for a command that reads its journal before it starts', async () => {
    const project = await initProject(await folder(), {
      name: 'tools',
      vcs: ['git.example.org'],
      bootstrap: [],
    });
    const reading = openControllerJournal(project).journal;
    const opened = awaitControllerJournal(project);
    await sleep(100);
    reading.close();
    const { journal } = await opened;
    withLimits(controllerNodeLimits, { journalWaitMs: 1 });
    await expect(awaitControllerJournal(project)).rejects.toMatchObject({ code: 'JOURNAL_IN_USE' });
    journal.close();
    withLimits(controllerNodeLimits, { journalWaitMs: 600_000 });
    await writeFile(journalFile(project.dir), 'no database'.repeat(1_000));
    await expect(awaitControllerJournal(project)).rejects.toMatchObject({ code: 'JOURNAL_DAMAGED' });
  });

  it('goes on where its folder holds no socket, and says so', async () => {
    const told: string[] = [];
    const control = new ControllerControl({
      dir: `/tmp/${'x'.repeat(120)}`,
      project: 'a project',
      state: (await projectOf('ada')).controller.state,
      dispatch: async () => {},
      tell: (level, kind) => void told.push(`${level} ${kind}`),
      stop: () => {},
    });
    await control.open();
    expect(told).toEqual(['warn control']);
    await control.close();
  });
});

describe('a controller that is drained', () => {
  it('ends once no lease is live', async () => {
    const { bench, leases, trusted } = await leasedRound();
    const { dir, told, stopped } = await controlled(bench);
    const status = await askController(dir, { do: 'drain', limitMs: 600_000 });
    expect(status).toMatchObject({ state: 'draining', leases: 4 });
    expect(status.stopsBy).toBeGreaterThan(Date.now());
    await deliverAll(bench, leases, []);
    await bench.deliver('trusted', trusted);
    await stopped;
    expect(told).toEqual([
      'info drain: draining: begins no round, and waits for 4 leases',
      'info drain: drained',
    ]);
  });

  it('ends after its limit whatever still runs, and says what is left', async () => {
    const { bench } = await leasedRound();
    const { dir, told, stopped } = await controlled(bench);
    await askController(dir, { do: 'drain', limitMs: 0 });
    await stopped;
    expect(told.at(-1)).toBe('warn drain: stops with 4 leases left: they go on after the next start');
  });
});
