import { beforeAll, expect, it } from 'vitest';
import { jobFile } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';

let cluster: LocalCluster;

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers: ['ada', 'ben', 'cyd'], trusted: true });
});

it('a build with more files than its job may have ends its run at that limit', async () => {
  const url = await cluster.git.commit('many', {
    'quorate.yaml': jobFile({ run: ['for n in $(seq 30); do echo $n > "$OUT/$n"; done'], files: 20 }),
  });
  const told = cluster.inside('run', ['run', url], { plain: true });
  const { code } = await told.end();
  expect(code, told.text).toBe(1);
  const reason = 'aborted: its outputs are more than 20 files (limits.files of the job)';
  expect(told.text).toContain(reason);
  const [, run = ''] = /quorate logs ([0-9a-f]{10})/.exec(told.text) ?? [];
  const shown = cluster.inside('show', ['show', run], { plain: true });
  await shown.end();
  expect(shown.text).toContain(reason);
});
