import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { agreedTiers, rememberTiers } from '../../../src/node/membership/agreed-tiers.ts';
import { ask } from '../../../src/node/membership/credentials.ts';
import { openHome } from '../../../src/node/membership/home.ts';
import { byPeer } from '../../../src/node/membership/join.ts';
import { openRevocationBook } from '../../../src/node/membership/revocation-file.ts';
import { saveSignIn, signInToken } from '../../../src/node/membership/sign-ins.ts';
import { rememberTold, toldAlarms } from '../../../src/node/membership/told-alarms.ts';
import { checkApart } from '../../../src/owner/project-keys.ts';
import type { Membership } from '../../../src/protocol/sessions/credentials.ts';
import { codeOf, folder } from '../../support/code-and-folder.ts';

describe('a home remembers', () => {
  it('the services that it is signed in at: fifty, the last ones, each once', async () => {
    const dir = await folder();
    expect(await signInToken(dir, 'https://0.example')).toBeUndefined();
    for (let n = 0; n < 50; n++) await saveSignIn(dir, `https://${n}.example`, `${n}`);
    await saveSignIn(dir, 'https://0.example', 'again');
    await saveSignIn(dir, 'https://50.example', '50');
    const token = (n: number) => signInToken(dir, `https://${n}.example`);
    expect([await token(0), await token(1), await token(2), await token(50)]).toEqual([
      ...['again', undefined, '2', '50'],
    ]);
    const { signIns } = JSON.parse(await readFile(join(dir, 'sign-ins.json'), 'utf8'));
    expect(signIns).toHaveLength(50);
    await writeFile(
      join(dir, 'sign-ins.json'),
      JSON.stringify([{ origin: 'https://a.example', token: 'old' }]),
    );
    expect(await signInToken(dir, 'https://a.example')).toBe('old');
    await writeFile(join(dir, 'sign-ins.json'), '[1]');
    expect(await codeOf(() => token(0))).toBe('HOME_DAMAGED');
  });

  it('alarms that it told: of the last thousand runs', async () => {
    const home = openHome(await folder());
    expect(await toldAlarms(home, 'p')).toEqual([]);
    const runs = Array.from({ length: 1_000 }, (_, n) => `run ${n}`);
    await rememberTold(home, 'p', runs);
    await rememberTold(home, 'p', ['run 999', 'run 1000']);
    expect(await toldAlarms(home, 'p')).toEqual([...runs.slice(1), 'run 1000']);
    expect(await toldAlarms(home, 'other')).toEqual([]);
  });

  it('tiers that its operator agreed to', async () => {
    const dir = await folder();
    expect(await agreedTiers(dir)).toEqual([]);
    await rememberTiers(dir, ['gvisor']);
    expect(await agreedTiers(dir)).toEqual(['gvisor']);
  });

  it('revocations of a project, which is named by a key', async () => {
    expect(await codeOf(async () => openRevocationBook(await folder(), 'no key'))).toBe('KEY_INVALID');
  });
});

it('projects of one name are told apart, the first eight of them', async () => {
  const home = openHome(await folder());
  const save = (n: number) =>
    home.save({
      project: `project-${n}`,
      name: 'same',
      operator: 'ada',
      role: 'worker',
      charter: '',
      grant: '',
      controllers: [],
      bootstrap: [],
    } as Membership);
  for (let n = 1; n <= 8; n++) await save(n);
  const said = () => home.membership('same').catch((error: Error) => error.message);
  expect(await said()).toMatch(/belongs to 8 projects: .*\(project-8\)$/);
  await save(9);
  expect(await said()).toMatch(/belongs to 9 projects: .*\(project-8\) and 1 more$/);
  expect((await home.membership('project-9')).project).toBe('project-9');
  await mkdir(join(home.dir, 'projects', 'folder'));
  await writeFile(join(home.dir, 'projects', 'note.txt'), '');
  expect(await home.memberships()).toHaveLength(9);
});

it('addresses of a ticket are those of its peers, and one without any is refused', () => {
  expect(byPeer(['/ip4/192.0.2.1/tcp/1/p2p/a', '/ip4/192.0.2.2/tcp/1/p2p/b', '/dns/x/tcp/1/p2p/a'])).toEqual([
    { id: 'a', addrs: ['/ip4/192.0.2.1/tcp/1/p2p/a', '/dns/x/tcp/1/p2p/a'] },
    { id: 'b', addrs: ['/ip4/192.0.2.2/tcp/1/p2p/b'] },
  ]);
  for (const addrs of [[], ['/ip4/192.0.2.1/tcp/1']]) expect(() => byPeer(addrs)).toThrow(/no address/);
});

it('a trusted worker has none of the keys that it checks', () => {
  const charter = { controllers: ['c'], idps: ['i'], logKeys: ['l'], log: 'l' };
  expect(() => checkApart(charter as never, 'c')).toThrow(/which a trusted worker checks/);
  checkApart(charter as never, 'w');
});

it('a question ends with the reason of its caller, or with its own error', async () => {
  const away = () => Promise.reject(new Error('no'));
  const asked = (signal: AbortSignal) => ask(away, [{ id: 'x', addrs: [] }], { kind: 'jobs' }, signal);
  expect(await codeOf(() => asked(new AbortController().signal))).toBe('CONTROLLER_UNREACHABLE');
  const reason = new Error('enough');
  await expect(asked(AbortSignal.abort(reason))).rejects.toBe(reason);
});
