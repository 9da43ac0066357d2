import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { Terminal } from '../bad-input/support/terminal.ts';
import { caches } from '../support/caches.ts';
import { quorateWords } from '../support/program.ts';
import { Cluster } from './support/cluster.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ askInside: true });
});

// Each sandbox of this machine is tried first, which costs more than the rest of test/e2e/volunteer.test.ts.
it('is asked before a weaker sandbox takes the place of the one it lent itself with', async () => {
  const home = cluster.home('asked');
  await mkdir(home, { recursive: true, mode: 0o700 });
  await writeFile(join(home, 'tiers.json'), '{"tiers":["vm"]}');
  const words = ['join', await cluster.ticket('asked'), '--listen', '/ip4/127.0.0.1/tcp/0', '--cpus', '2'];
  const asked = new Terminal([...quorateWords, '--home', home, ...words], {
    columns: 100,
    rows: 40,
    cwd: '/',
    env: { PATH: process.env.PATH, LANG: 'C.UTF-8', ...caches },
  });
  await asked.shows(/Mind: this machine lent itself with vm before, and only [a-z]+ works now/);
  await asked.shows(/Lend this machine with [a-z]+\? \[y\/N\]/);
  asked.type('n\n');
  await asked.shows('Nothing was done.');
  expect(await asked.end()).toBe(1);
});
