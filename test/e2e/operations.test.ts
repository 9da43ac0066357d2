import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { typed } from '../examples/typed.ts';
import { quorateWords } from '../support/program.ts';
import { Cluster } from './support/cluster.ts';
import { program } from './support/jobs.ts';
import { endAll } from './support/processes.ts';

/** A project, and a folder with `quorate`, and with `systemctl` for the processes of the project. */
async function ground() {
  onTestFinished(endAll);
  const cluster = await Cluster.start({ volunteers: ['ada', 'ben'], trusted: true, slotWait: '1s' });
  const verbs: Record<string, () => Promise<unknown>> = {
    'stop quorate-controller': () => cluster.control.stop(),
    'start quorate-controller': () => cluster.startController(),
  };
  const server = createServer(async (request, response) => {
    const verb = verbs[await text(request)];
    await verb?.();
    response.writeHead(verb === undefined ? 400 : 200).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const bin = join(cluster.dir, 'bin');
  await mkdir(bin);
  const ask = `fetch('http://127.0.0.1:${port}', { method: 'POST', body: process.argv.slice(1).join(' ') }).then(({ ok }) => process.exit(ok ? 0 : 1))`;
  const scripts = {
    quorate: `exec '${quorateWords.join("' '")}' "$@"`,
    systemctl: `exec '${process.execPath}' -e "${ask}" "$@"`,
  };
  for (const [name, script] of Object.entries(scripts)) {
    await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(bin, name), 0o755);
  }
  const type = (block: string) =>
    typed('docs/operations.md', block, {
      ...{ seconds: 240, cwd: cluster.projectDir, bin },
      env: { QUORATE_HOME: cluster.home('owner') },
    });
  return { cluster, type };
}

async function trusted(cluster: Cluster, name: string): Promise<string> {
  const run = await cluster.submit(await cluster.git.commit(name, program(name)));
  expect((await run.end()).code, run.report()).toBe(0);
  return String(run.all('verdict').at(-1)?.artifact);
}

it('what docs/operations.md has typed at an update keeps what was trusted, and goes on', async () => {
  const { cluster, type } = await ground();
  const before = await trusted(cluster, 'before');
  const first = cluster.control;
  const { said, code } = await type('update');
  expect(code, said).toBe(0);
  expect(cluster.control).not.toBe(first);
  expect(said).toMatch(/connected +2 workers, 1 trusted worker[\s\S]*Drained[\s\S]*running/);
  expect((await cluster.fetch(before, 'before')).code).toBe(0);
  await trusted(cluster, 'after');
});
