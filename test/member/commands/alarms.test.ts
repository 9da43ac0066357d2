import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { tellAlarms } from '../../../src/member/commands/alarms.ts';
import { openHome } from '../../../src/node/membership/home.ts';
import type { RunSummary } from '../../../src/protocol/wire/runs.ts';
import type { Context } from '../../../src/terminal/context.ts';
import { testKey } from '../../support/documents.ts';

it('a key that revokes all it can is told after each command, with what to do', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-alarms-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  const notes: string[] = [];
  const out = { note: (text: string) => notes.push(text), colours: { red: (text: string) => text } };
  const context = { out, signal: new AbortController().signal } as unknown as Context;
  const { id } = testKey('idp');
  const jobs = async () => ({ jobs: [], equivocations: [], full: [id] });
  const client = { project: testKey('root').id, jobs };
  for (let n = 0; n < 2; n++) await tellAlarms(context, openHome(dir), client);
  expect(notes).toHaveLength(2);
  expect(notes[0]).toMatch(
    new RegExp(
      `^ALARM: the controller says that the key ${id} has signed 1000 .*end that key\\. quorate rotate idp --at-once`,
    ),
  );
  await tellAlarms(context, openHome(dir), {
    ...client,
    jobs: async () => ({ jobs: [], equivocations: [] }),
  });
  expect(notes).toHaveLength(2);
});

it('runs with an alarm are told once, by the word of the controller', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-alarms-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  const notes: string[] = [];
  const out = { note: (text: string) => notes.push(text), colours: { red: (text: string) => text } };
  const context = { out, signal: new AbortController().signal } as unknown as Context;
  const run = { run: 'a'.repeat(64), name: 'build', state: 'done', level: 'disputed' };
  const jobs = async () => ({ jobs: [run as unknown as RunSummary], equivocations: [] });
  const client = { project: testKey('root').id, jobs };
  for (let n = 0; n < 2; n++) await tellAlarms(context, openHome(dir), client);
  expect(notes).toEqual([
    'ALARM: the controller says that builders came to different results in 1 job: build (aaaaaaaaaa). Look at it: quorate show aaaaaaaaaa',
  ]);
});
