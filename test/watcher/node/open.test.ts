import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it, onTestFinished, vi } from 'vitest';
import { ForgeApi } from '../../../src/forge/api.ts';
import { openJournal } from '../../../src/journal/index.ts';
import type { Client } from '../../../src/member/client.ts';
import { openHome, watchedLog } from '../../../src/node/membership/home.ts';
import type { WatchEvent } from '../../../src/watcher/machine/events.ts';
import { WatchMachine } from '../../../src/watcher/machine/machine.ts';
import { askWatcher } from '../../../src/watcher/node/control.ts';
import { openWatcher } from '../../../src/watcher/node/open.ts';
import { parseWatchFile } from '../../../src/watcher/node/watch-file.ts';
import type { WatchNotice } from '../../../src/watcher/sessions/ports.ts';
import { codeOf, folder } from '../../support/code-and-folder.ts';
import { makeCharter, project } from '../../support/project.ts';
import { Bench } from '../watch-support.ts';

const text = `[repository]
url = "https://127.0.0.1:9/tool"
sandbox = false
[forge]
kind = "forgejo"
api = "https://127.0.0.1:9"
project = "owner/tool"
token-file = "forge.token"
`;

/** Opens the watcher of a home whose controller is a client that says when it is closed. */
async function bench(jobs: (signal: AbortSignal) => Promise<unknown> = async () => ({ jobs: [] })) {
  const dir = await folder();
  await writeFile(join(dir, 'forge.token'), 'secret\n', { mode: 0o600 });
  const seen = { opened: 0, closed: 0, forges: 0 };
  // The end of each takes some turns of the event loop.
  const later = async (of: 'closed' | 'forges') => {
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    seen[of]++;
  };
  const spy = vi.spyOn(ForgeApi.prototype, 'close').mockImplementation(() => later('forges'));
  onTestFinished(() => spy.mockRestore());
  const charter = makeCharter();
  const stop = new AbortController();
  const notices: WatchNotice[] = [];
  const open = () =>
    openWatcher({
      file: parseWatchFile(text, join(dir, 'watch.toml')),
      home: openHome(dir),
      openClient: async (signal) => {
        seen.opened++;
        const client = { project, charter, close: () => later('closed'), jobs: () => jobs(signal) };
        return client as unknown as Client;
      },
      env: {},
      onEvent: (notice) => void notices.push(notice),
      signal: stop.signal,
      onFailure: (error) => {
        throw error;
      },
    });
  return { dir, seen, charter, open, stop, notices };
}

it('a watcher that is opened answers on its socket, and closes all that it has opened', async () => {
  const { dir, seen, charter, open } = await bench();
  const opened = await open();
  expect([opened.project, opened.charter()]).toEqual([project, charter]);
  const view = await askWatcher(dir, undefined, { do: 'view' });
  expect(view.url).toBe('https://127.0.0.1:9/tool');
  await opened.close();
  expect(seen).toEqual({ opened: 1, closed: 1, forges: 1 });
  expect(await codeOf(() => askWatcher(dir, undefined, { do: 'view' }))).toBe('PROCESS_NOT_RUNNING');
});

it('a watcher whose copy of the log is damaged is not opened, and what was opened before is closed by then', async () => {
  const { dir, seen, open } = await bench();
  await writeFile(watchedLog(dir, project), 'a\u0007b\n');
  expect(await codeOf(open)).toBe('HOME_DAMAGED');
  expect(seen).toEqual({ opened: 1, closed: 1, forges: 1 });
});

it('a watcher without the token of its forge asks no controller', async () => {
  const { dir, seen, open } = await bench();
  await writeFile(join(dir, 'forge.token'), '');
  expect(await codeOf(open)).toMatch(/^FORGE_TOKEN_/);
  expect(seen).toEqual({ opened: 0, closed: 0, forges: 0 });
});

it('a question that is open when the watcher ends has not failed, however long the end takes to begin', async () => {
  const asked = Promise.withResolvers<AbortSignal>();
  const { dir, open, stop, notices } = await bench((signal) => {
    asked.resolve(signal);
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  });
  const before = new Bench().refs({ 'refs/heads/main': 1 }, true).push('refs/heads/main', 2);
  before.published(before.orders()[0] as never, 'a');
  const { id } = await openHome(dir).key();
  const name = `watcher ${project} ${id}`;
  const file = openJournal<WatchEvent>(join(dir, `watch-${project}.db`), { name, rules: WatchMachine.rules });
  file.appendAll(before.journal);
  file.close();
  const opened = await open();
  const signal = await asked.promise;
  // Ctrl-C; what serves pages is closed before the watcher.
  stop.abort();
  for (let n = 0; n < 10; n++) await turn();
  expect(signal.aborted).toBe(false);
  await opened.close();
  expect(signal.aborted).toBe(true);
  // A look at the repository, where nothing listens, may have failed before.
  expect(notices).not.toContainEqual(expect.objectContaining({ kind: 'look-failed', what: 'controller' }));
});
