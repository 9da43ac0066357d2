import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openJournal } from '../../../src/journal/index.ts';
import { openHookFolder } from '../../../src/runtime/hooks/folder.ts';
import type { LedgerEvent } from '../../../src/runtime/hooks/ledger.ts';
import { parseRefPattern } from '../../../src/runtime/hooks/refs.ts';
import { TrustedHook } from '../../../src/runtime/hooks/trusted.ts';
import { facts, id, listed, repo } from './support.ts';

it('a journal of before is gone on with: its last index counts, and what is written since has the time too', async () => {
  const home = await mkdtemp(join(tmpdir(), 'quorate-hook-'));
  onTestFinished(() => rm(home, { recursive: true, force: true }));
  const name = 'hook trusted of project';
  const before = openJournal<LedgerEvent>(join(home, 'hooks', 'project', 'trusted', 'journal.db'), {
    ...{ name, rules: 1 },
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
  folder.record(next, now);
  folder.close();

  const again = await openHookFolder(home, 'project', 'trusted');
  onTestFinished(() => again.close());
  const { requested } = facts(5);
  const held = new TrustedHook(rules, again.ledger).verified(listed(7), facts(7, { requested }), now);
  expect(held).toMatchObject({ code: 'HOOK_OLDER' });
});
