import { existsSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { rememberTiers } from '../../src/node/membership/agreed-tiers.ts';
import { openHome } from '../../src/node/membership/home.ts';
import { saveSignIn } from '../../src/node/membership/sign-ins.ts';
import { rememberTold } from '../../src/node/membership/told-alarms.ts';
import { leftFolders, loopback } from '../bad-input/support/left-folders.ts';
import { git } from '../e2e/support/git.ts';
import { until } from '../e2e/support/wait.ts';

/** The homes of `leftFolders`, and in `apart` that of an identity provider that signed a grant of its own. */
export async function makeHomes(): Promise<string> {
  const { cluster, left } = await leftFolders();
  const at = (name: string): string => join(cluster.dir, name);
  const answer = async (cwd: string, words: string[], home = 'owner') => {
    const { code, lines, report } = await cluster.cli(words, { home, cwd: at(cwd) });
    if (code !== 0) throw new Error(report);
    return lines[0] ?? {};
  };
  for (const name of ['apart', 'of-apart']) await mkdir(at(name));
  const { key } = await answer('apart', ['idp', 'init']);
  await git(at('of-apart'), 'init', '--quiet');
  await answer('of-apart', ['init', '--name', 'apart', '--idp', String(key), '--vcs', '127.0.0.1']);
  const charter = join(at('of-apart'), '.quorate', 'charter.jws');
  const idp = cluster.start('idp', ['idp', '--charter', charter, ...loopback], { cwd: at('apart') });
  const [address] = (await idp.event('listening')).addresses as string[];
  const words = ['controller', ...loopback, '--idp', String(address)];
  const controller = cluster.start('controller of apart', words, { cwd: at('of-apart') });
  await controller.event('listening');
  // The controller tells the identity provider where it is, for tickets.
  await until('the address of the controller', () =>
    existsSync(join(at('apart'), '.quorate', 'controller.json')),
  );
  const { ticket } = await answer('apart', ['invite', 'reader', '--role', 'reader']);
  await answer('apart', ['join', String(ticket)], 'reader');
  await controller.stop();
  await idp.stop();
  const owner = join(left, 'owner');
  await saveSignIn(owner, 'https://ci.example.org', 'a token');
  await rememberTold(openHome(owner), cluster.project, ['a run']);
  await rememberTiers(join(left, 'ada'), ['namespace']);
  await cp(at('apart'), join(left, 'apart'), {
    recursive: true,
    filter: (path: string) => !path.endsWith('.sock'),
  });
  return left;
}
