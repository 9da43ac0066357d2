import { execFile } from 'node:child_process';
import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { debianSource } from './support/debian.ts';
import { jobFile } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';

/** Small C projects of other people with a plain Makefile: how each is built, and what its program then says. */
const projects = {
  figlet: {
    run: [
      'make CFLAGS=-O2 CPPFLAGS= LDFLAGS= figlet chkfont',
      'mkdir "$OUT/bin"',
      'install -m 755 figlet chkfont "$OUT/bin"',
      'cp -R fonts "$OUT/fonts"',
    ],
    program: ['bin/figlet', '-d', 'fonts', '-w', '40', 'Hi'],
    says: '|_| |_|_|',
  },
  sysvbanner: {
    run: ['make', 'mkdir "$OUT/bin"', 'install -m 755 banner "$OUT/bin"'],
    program: ['bin/banner', 'I'],
    says: '###',
  },
};
const names = Object.keys(projects) as (keyof typeof projects)[];

it("another person's C project is built by three operators and the trusted worker, and what is fetched runs", async () => {
  const cluster = await LocalCluster.start({ volunteers: ['ada', 'ben', 'cleo'], trusted: true });
  const { name, folder } = await debianSource(names, cluster.dir);
  const project = projects[name as keyof typeof projects];
  await cp(folder, join(cluster.git.dir, name), { recursive: true });
  const job = jobFile({ run: project.run, memory: '512MiB', disk: '256MiB', time: '5m' });
  await writeFile(join(cluster.git.dir, name, 'quorate.yaml'), job);
  const run = await cluster.submit(await cluster.git.commitAll(name), '--ref', 'main');
  const { code } = await run.end();
  expect(code, run.report()).toBe(0);
  const verdict = run.lines.at(-1);
  expect(verdict).toMatchObject({ event: 'verdict', level: 'trusted' });
  const [revealed] = run.all('revealed') as { results?: { result: string }[] }[];
  expect(new Set(revealed?.results?.map(({ result }) => result))).toEqual(new Set([verdict?.artifact]));

  const from = ['--source', cluster.git.url(name), '--ref', 'refs/heads/main'];
  const fetched = await cluster.fetch(String(verdict?.artifact), 'project', ...from);
  expect(fetched.code, fetched.report).toBe(0);
  const [file = '', ...args] = project.program;
  const { stdout } = await promisify(execFile)(`./${file}`, args, { cwd: cluster.fetched('project') });
  expect(stdout).toContain(project.says);
});
