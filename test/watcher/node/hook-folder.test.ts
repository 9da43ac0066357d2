import { mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openJournal } from '../../../src/journal/index.ts';
import { HookMachine, type LedgerEvent } from '../../../src/watcher/machine/hook-ledger.ts';
import { parseRefPattern } from '../../../src/watcher/machine/hook-refs.ts';
import { TrustedHook } from '../../../src/watcher/machine/trusted-hook.ts';
import { makeReadOnly, openHookFolder } from '../../../src/watcher/node/hook-folder.ts';
import { facts, id, listed, repo } from '../hook-support.ts';

async function temporary(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'quorate-hook-'));
  onTestFinished(() => rm(home, { recursive: true, force: true }));
  return home;
}

it('a journal of before is gone on with: its last index counts, and what is written since has the time too', async () => {
  const home = await temporary();
  const name = 'hook trusted of project';
  const before = openJournal<LedgerEvent>(join(home, 'hooks', 'project', 'trusted', 'journal.db'), {
    name,
    rules: 1,
  });
  const place = { repo, ref: 'refs/heads/main', name: 'build', index: 5 };
  before.append({ kind: 'started', subject: id(5), place, artifact: 'bafy5' }, 1);
  before.append({ kind: 'ended', subject: id(5), outcome: { kind: 'exit', code: 0 } }, 2);
  before.close();

  const rules = { refs: [parseRefPattern('main')], jobs: [], uncosigned: false };
  const now = 10_000_000;
  const folder = await openHookFolder(home, 'project', 'trusted');
  const hook = new TrustedHook(rules, folder.ledger);
  expect(hook.verified(listed(4), facts(4), now)).toMatchObject({ code: 'HOOK_OLDER' });
  const next = hook.verified(listed(6), facts(6), now);
  expect(next.kind).toBe('started');
  await folder.record(next);
  await folder.close();

  const again = await openHookFolder(home, 'project', 'trusted');
  onTestFinished(() => again.close());
  const { requested } = facts(5);
  const held = new TrustedHook(rules, again.ledger).verified(listed(7), facts(7, { requested }), now);
  expect(held).toMatchObject({ code: 'HOOK_OLDER' });
});

it('its work is in a private folder that is empty each time, whatever the one before may not write', async () => {
  const home = await temporary();
  const open = () => openHookFolder(home, 'project', 'trusted');
  const first = await open();
  const work = await first.fresh();
  expect([(await stat(work)).mode & 0o777, await readdir(work)]).toEqual([0o700, []]);
  const outside = join(home, 'outside');
  await writeFile(outside, 'x', { mode: 0o644 });
  await mkdir(join(work, 'a', 'b'), { recursive: true });
  await writeFile(join(work, 'a', 'b', 'c'), 'x');
  await symlink(outside, join(work, 'a', 'link'));
  await makeReadOnly(join(work, 'a'));
  const modes = await Promise.all(['a', 'a/b', 'a/b/c'].map((path) => stat(join(work, path))));
  expect(modes.map(({ mode }) => mode & 0o222)).toEqual([0, 0, 0]);
  expect((await stat(outside)).mode & 0o777).toBe(0o644);
  expect(await readdir(await first.fresh())).toEqual([]);
  await writeFile(join(work, 'left'), 'x');
  await first.record({ kind: 'started', subject: id(1), artifact: null });
  expect(first.ledger.unfinished).toEqual([id(1)]);
  await first.close();
  const second = await open();
  expect(second.ledger.unfinished).toEqual([id(1)]);
  await expect(readdir(work)).rejects.toMatchObject({ code: 'ENOENT' });
  await second.fresh();
  await second.clear();
  await expect(readdir(work)).rejects.toMatchObject({ code: 'ENOENT' });
  await second.close();
});

it('a journal with an event of a later version is an error, and is free again', async () => {
  const home = await temporary();
  const file = join(home, 'hooks', 'project', 'trusted', 'journal.db');
  const open = () =>
    openJournal<{ kind: string }>(file, { name: 'hook trusted of project', rules: HookMachine.rules });
  const journal = open();
  journal.append({ kind: 'odd' }, 1);
  journal.close();
  await expect(openHookFolder(home, 'project', 'trusted')).rejects.toMatchObject({ code: 'HOME_NEWER' });
  open().close();
  await expect(openHookFolder(home, 'project', 'No')).rejects.toMatchObject({ code: 'HOOK_USAGE' });
});
