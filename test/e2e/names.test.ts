import { beforeAll, expect, it } from 'vitest';
import { jobFile } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';

let cluster: LocalCluster;

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers: ['ada', 'ben', 'cyd'], trusted: true, slotWait: '1s' });
});

it.each([
  ['a tab', String.raw`touch "$OUT/$(printf 'a\tb')"`],
  ['text that is turned around', String.raw`touch "$OUT/$(printf 'txt\342\200\256gpj')"`],
  ['an escape sequence in a folder', String.raw`mkdir "$OUT/$(printf '\033[2J')"`],
])('an output named with %s ends its run with the reason', async (name, step) => {
  const url = await cluster.git.commit(name.replaceAll(' ', '-'), {
    'quorate.yaml': jobFile({ run: [step], rounds: 1 }),
  });
  const told = cluster.inside('run', ['run', url], { plain: true });
  const { code } = await told.end();
  expect(code, told.text).toBe(1);
  expect(told.text).toContain('STORE_NAME_REFUSED');
  expect(told.text).toContain('Rename the file');
});
