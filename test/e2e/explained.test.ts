import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { git } from './support/git.ts';
import { jobFile } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';

let cluster: LocalCluster;

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers: ['ada', 'ben', 'cyd'], trusted: true, slotWait: '1s' });
});

/** `quorate run` of a job as a person sees it: its exit code and lines. */
async function run(name: string, text: string, { file = 'quorate.yaml', tag = '' } = {}) {
  const url = await cluster.git.commit(name, { [file]: text });
  if (tag !== '') await git(join(cluster.git.dir, name), 'tag', '-a', '-m', 'x', tag);
  const told = cluster.inside('run', ['run', url, '--ref', tag || 'main'], { plain: true });
  const { code } = await told.end();
  const lines = told.text;
  return { code, lines, id: /^run ([0-9a-f]+)$/m.exec(lines)?.[1] ?? '' };
}

const plain = async (...args: string[]) => {
  const told = cluster.inside(args[0] ?? '', args, { plain: true });
  const { code } = await told.end();
  return { code, lines: told.text };
};

describe('a failing test', () => {
  it('is told with its step, its last lines and the command that prints all; its log is shown once', async () => {
    const steps = [
      'echo building; git describe --dirty',
      { run: 'seq 100; echo "not ok 3 - adds" >&2; exit 7', name: 'unit tests' },
    ];
    const job = jobFile({ run: [...steps, 'echo never'], rounds: 1 }).replace(
      '    run:',
      '    git: true\n    run:',
    );
    const { code, lines, id } = await run('failing', job, { file: 'quorate.yml', tag: 'v1.0' });
    expect(code).toBe(1);
    expect(lines).toMatch(/^(ada|ben|cyd), \w+, \w+, tower: step 2 of 3 failed with exit 7: unit tests$/m);
    expect(lines).toContain('  │ not ok 3 - adds\n');
    expect(lines).not.toMatch(/│ (80|building)$/m);
    expect(lines.match(new RegExp(`quorate logs ${id.slice(0, 10)}$`, 'gm'))).toHaveLength(1);

    const shown = await plain('show', id);
    expect(shown.lines).toContain('  │ not ok 3 - adds\n');

    const all = await plain('logs', id);
    expect(all.lines.match(/│ not ok 3/g)).toHaveLength(1);
    expect(all.lines).toMatch(/^[\w, ]+│ quorate: step 1 of 3: echo building; git describe --dirty$/m);
    expect(all.lines).toMatch(/│ v1\.0$/m);
    expect(all.lines).toMatch(/^[\w, ]+│ quorate: step 2 of 3 failed: exit 7 \(unit tests\)$/m);
    expect(all.lines).not.toContain('step 3');
    const one = await plain('logs', id, '--worker', 'ben');
    expect([one.code, one.lines.match(/^ben│ not ok 3/gm)]).toMatchObject([0, [expect.anything()]]);
    expect((await plain('logs', id, '--worker', 'eve')).code).toBe(2);
    const part = await plain('logs', id, '--failed', '--times', '--worker', 'ben');
    expect(part.lines).toMatch(/^ben│ +\d:\d\d quorate: step 2 of 3: unit tests$/m);
    expect(part.lines).not.toContain('step 1 of 3');
    expect((await plain('logs', id, '--failed', '--follow')).code).toBe(2);
  });
});

describe('a job that nobody can take', () => {
  it('is told with what each of them lacks, at once and with the verdict', async () => {
    const text = jobFile({ run: ['true'], rounds: 1 }).replace('memory: 256MiB', 'memory: 4TiB');
    const { code, lines } = await run('large', text);
    expect(code).toBe(1);
    const reason =
      /declined by \w+, \w+, \w+(?:, \w+)?: the job wants 4 TiB of memory, the host lends [0-9.]+ GiB/;
    expect(lines).toMatch(reason);
    expect(lines).toContain('unfinished: no operator could take it');
    // At once, each operator by itself; and together with the verdict.
    for (const who of ['ada', 'ben', 'cyd'])
      expect(lines.match(new RegExp(`declined by ${who}: the job wants 4 TiB`, 'g'))).toHaveLength(1);
    expect(lines.match(new RegExp(reason, 'g'))).toHaveLength(1);
  });
});
