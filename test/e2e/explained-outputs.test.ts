import { beforeAll, describe, expect, it } from 'vitest';
import { jobFile } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';

let cluster: LocalCluster;

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers: ['ada', 'ben', 'cyd'], trusted: true, slotWait: '1s' });
});

/** `quorate run` of a job as a person sees it: its exit code and lines. */
async function run(name: string, text: string) {
  const url = await cluster.git.commit(name, { 'quorate.yaml': text });
  const told = cluster.inside('run', ['run', url, '--ref', 'main'], { plain: true });
  const { code } = await told.end();
  const lines = told.text;
  return { code, lines, id: /^run ([0-9a-f]+)$/m.exec(lines)?.[1] ?? '' };
}

const plain = async (...args: string[]) => {
  const told = cluster.inside(args[0] ?? '', args, { plain: true });
  const { code } = await told.end();
  return { code, lines: told.text };
};

describe('a build whose outputs no artifact can have', () => {
  it('is told with the name that is refused', async () => {
    const step = String.raw`mkdir "$OUT/$(printf '\033[2J')"`;
    const { code, lines } = await run('escape', jobFile({ run: [step], rounds: 1 }));
    expect(code, lines).toBe(1);
    expect(lines).toContain('STORE_NAME_REFUSED');
    expect(lines).toContain('Rename the file');
  });

  it('is told with the number of files that its job may have', async () => {
    const step = 'for n in $(seq 30); do echo $n > "$OUT/$n"; done';
    const { code, lines, id } = await run('many', jobFile({ run: [step], files: 20, rounds: 1 }));
    expect(code, lines).toBe(1);
    const reason = 'aborted: its outputs are more than 20 files (limits.files of the job)';
    expect(lines).toContain(reason);
    expect((await plain('show', id)).lines).toContain(reason);
  });
});
