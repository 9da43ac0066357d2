import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sandbox } from '../../../sandbox/index.ts';
import { parseJobFile } from '../../../src/jobfile/index.ts';
import { exited, play, tarOf, tempFolder, unprobed } from '../support.ts';

const page = join(import.meta.dirname, '../../../docs/steps.md');

let folder: Awaited<ReturnType<typeof tempFolder>>;
let sandbox: Sandbox;

beforeAll(async () => {
  folder = await tempFolder();
  sandbox = unprobed(folder.path);
});
afterAll(() => folder?.remove());

/** The job of docs/steps.md under this mark, as it stands. */
async function documented(mark: string) {
  const text = await readFile(page, 'utf8');
  const [, file = ''] =
    new RegExp(`<!-- server: ${mark} -->\\n\`\`\`yaml\\n(.*?)\`\`\``, 's').exec(text) ?? [];
  const [job] = parseJobFile(file, 'docs/steps.md').jobs;
  if (job === undefined) throw new Error(`docs/steps.md has no job under ${mark}`);
  return job;
}

function build({ run, outputs, limits }: Awaited<ReturnType<typeof documented>>) {
  const source = tarOf([{ name: 'data.txt', content: '42\n' }]);
  return play(sandbox, run, { source, outputs, limits });
}

const answer = ({ outputs }: Awaited<ReturnType<typeof play>>) =>
  outputs.find(({ header }) => header.name === './answer')?.text;

describe('a server that a step starts, as documented', () => {
  it('is there in the next step, and is waited for by its port', async () => {
    const ran = await build(await documented('any'));
    expect(ran.outcome, ran.log).toEqual(exited(0));
    expect(answer(ran), ran.log).toBe('42\n');
  });

  it('may be PostgreSQL', async () => {
    const ran = await build(await documented('postgresql'));
    expect(ran.outcome, ran.log).toEqual(exited(0));
    expect(answer(ran), ran.log).toBe('42\n');
  });

  it('fails its step with what it said, where it does not start', async () => {
    const job = await documented('any');
    const [first] = job.run;
    const server = /python3 .* 8000(?= >)/;
    const { run: text, ...options } = typeof first === 'object' ? first : { run: '' };
    expect(text).toMatch(server);
    const run = { ...options, run: text.replace(server, '(echo no such option; exit 3)') };
    const ran = await build({ ...job, run: [run, 'echo never'] });
    expect(ran.outcome).toEqual(exited(1));
    expect(ran.log).toBe('no such option\n');
  });
});
