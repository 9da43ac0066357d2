import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
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
  const place = { cwd: cluster.projectDir };
  const start = () => cluster.startController(place.cwd);
  const stop = () => cluster.control.stop();
  const verbs: Record<string, () => Promise<unknown>> = {
    'stop quorate-controller': stop,
    'start quorate-controller': start,
    'disable --now quorate-controller': stop,
    'enable --now quorate-controller': start,
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
      seconds: 240,
      cwd: place.cwd,
      bin,
      folders: { '/mnt/backups': join(cluster.dir, 'backups') },
      env: { QUORATE_HOME: cluster.home('owner') },
    });
  return { cluster, place, type };
}

async function trusted(cluster: Cluster, name: string): Promise<string> {
  const run = await cluster.submit(await cluster.git.commit(name, program(name)));
  expect((await run.end()).code, run.report()).toBe(0);
  return String(run.all('verdict').at(-1)?.artifact);
}

it('the commands of docs/operations.md keep trusted artifacts through an update, a restore and a move', async () => {
  const { cluster, place, type } = await ground();
  const artifacts = [await trusted(cluster, 'first')];
  const typing = async (block: string): Promise<string> => {
    const { said, code } = await type(block);
    expect(code, said).toBe(0);
    return said;
  };
  /** Fetches each artifact that was trusted before, and has another run become trusted. */
  const goesOn = async (name: string) => {
    for (const artifact of artifacts)
      expect((await cluster.fetch(artifact, `${name} ${artifact}`)).code).toBe(0);
    artifacts.push(await trusted(cluster, name));
  };

  const said = await typing('update');
  expect(said).toMatch(/connected +2 workers, 1 trusted worker[\s\S]*Drained[\s\S]*(?:starting|running)/);
  await goesOn('update');

  await mkdir(join(cluster.dir, 'backups'));
  await typing('back-up');
  // The trusted worker has it, the backup does not.
  artifacts.push(await trusted(cluster, 'since'));
  await typing('restore');
  await goesOn('restore');

  await typing('move-from');
  await rm(join(place.cwd, '.quorate'), { recursive: true });
  place.cwd = join(cluster.dir, 'elsewhere');
  await mkdir(place.cwd);
  await typing('move-to');
  await goesOn('move');
});
