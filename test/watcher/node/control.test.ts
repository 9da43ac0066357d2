import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { viewOf } from '../../../src/watcher/machine/view.ts';
import { askWatcher, serveWatchControl } from '../../../src/watcher/node/control.ts';
import { checkPublisher } from '../../../src/watcher/node/open.ts';
import { folder } from '../../support/code-and-folder.ts';
import { Bench, commit, rule, settingsOf } from '../watch-support.ts';

const [one, other] = ['project-number-one', 'project-number-two'];

it('the watcher of a home is asked, of several the one that is named, and none is an error', async () => {
  const home = await folder();
  const view = { do: 'view' } as const;
  await expect(askWatcher(home, undefined, view)).rejects.toMatchObject({ code: 'PROCESS_NOT_RUNNING' });
  await expect(askWatcher(home, one, view)).rejects.toMatchObject({
    code: 'PROCESS_NOT_RUNNING',
    cause: { code: 'ENOENT' },
  });
  const decided: unknown[][] = [];
  const { machine } = new Bench();
  const decides = (...words: unknown[]) => void decided.push(words);
  const watcher = { machine, watcher: { decide: decides } };
  onTestFinished(await serveWatchControl(home, one, watcher as never));
  const decide = { do: 'decide', pull: 7, commit: commit(2), verdict: 'approved', by: 'carol' } as const;
  expect((await askWatcher(home, undefined, decide)).url).toBe('git://127.0.0.1/tool');
  expect(decided).toEqual([[7, commit(2), 'approved', 'carol']]);
  await askWatcher(home, one, view);
  await expect(askWatcher(home, other, view)).rejects.toMatchObject({ code: 'PROCESS_NOT_RUNNING' });
  for (const wrong of [{ pull: 0 }, { commit: 'c0ffee' }, { verdict: 'maybe' }, { by: '' }, { more: 1 }])
    await expect(askWatcher(home, one, { ...decide, ...wrong } as never)).rejects.toMatchObject({
      code: 'CONTROL_REQUEST_INVALID',
    });
  expect(decided).toHaveLength(1);
  onTestFinished(await serveWatchControl(home, other, watcher as never));
  await expect(askWatcher(home, undefined, view)).rejects.toMatchObject({ code: 'MEMBERSHIP_AMBIGUOUS' });
});

it('a watcher that does not answer is lost', async () => {
  const home = await folder();
  await mkdir(join(home, 'watch'));
  const server = createServer((socket) => socket.on('error', () => {}).end());
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(join(home, 'watch', `${one.slice(-12)}.sock`), resolve));
  await expect(askWatcher(home, undefined, { do: 'view' })).rejects.toMatchObject({
    code: 'CONTROL_LOST',
  });
});

it('its view has the fifty newest publications, and as many statuses that the forge was not told of', () => {
  const bench = new Bench(settingsOf({ rules: [rule({ branches: ['**'] })] })).refs({}, true);
  for (let n = 1; n <= 51; n++) bench.push(`refs/heads/b${n}`, n);
  const { publications, untold, refs } = viewOf(bench.machine.state);
  expect([publications.length, untold.length, refs]).toEqual([50, 50, 51]);
  expect([publications[0]?.commit, publications[49]?.commit]).toEqual([commit(51), commit(2)]);
});

it('publishers watch, and nobody else', () => {
  checkPublisher('/home', 'publisher');
  expect(() => checkPublisher('/home', 'reader')).toThrow(expect.objectContaining({ code: 'WATCH_ACCOUNT' }));
});
