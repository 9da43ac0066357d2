import { execFile } from 'node:child_process';
import { createReadStream, createWriteStream } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeBundle } from '../../src/protocol/documents/index.ts';
import { file, layoutOf, writeLayout } from '../image/support.ts';
import { smallSystem } from '../image/system.ts';
import { jobFile } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';

const makePipe = promisify(execFile);

let cluster: LocalCluster;
let image = '';
let tool = '';

const files = (of: string, run: string[]): Record<string, string> => ({
  'quorate.yaml': jobFile({ image: of, run }),
});
/** Only this image has the file, and no host's system is there to be seen. */
const run = ['cat /usr/share/mark > "$OUT/mark"', 'ls /usr/bin > "$OUT/programs"'];

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers: ['ada', 'ben', 'cleo'], trusted: true });
});

describe('a job with an image', () => {
  it('is refused while the controller does not have it, and says what to do', async () => {
    const unknown = 'bafybeihlrz7j4sotzw4jmhsyio2yothja6egyyc42c6b25g5o7aa63256i';
    const refused = await cluster.cli(['run', await cluster.git.commit('unknown', files(unknown, run))]);
    expect(refused.code, refused.report).toBe(2);
    expect(refused.lines.at(-1)).toMatchObject({
      error: { code: 'IMAGE_UNKNOWN', hint: expect.stringContaining('quorate image') },
    });
  });

  it('builds in it on every machine to one trusted artifact, whose receipts say that it is portable', async () => {
    const at = await writeLayout(await layoutOf([smallSystem(), [file('usr/share/mark', 'of the image\n')]]));
    const made = await cluster.cli(['image', 'import', at]);
    expect(made.code, made.report).toBe(0);
    image = String(made.lines.at(-1)?.image);
    // The controller reads the image from a pipe that has nothing yet, and one worker receives slowly.
    const car = join(cluster.projectDir, '.quorate', 'images', `${image}.car`);
    await rename(car, `${car}.whole`);
    await makePipe('mkfifo', [car]);
    const slow = await cluster.cli(['worker', 'limits', '--down', '16KiB/s'], { home: 'ada' });
    expect(slow.code, slow.report).toBe(0);
    tool = await cluster.git.commit('tool', files(image, run));
    const proc = cluster.inside('quorate run', ['run', tool]);
    expect(await proc.event('waiting')).toMatchObject({ code: 'IMAGE_NOT_READY' });
    expect(await cluster.control.event('transfer')).toMatchObject({ data: { image, state: 'running' } });
    await pipeline(createReadStream(`${car}.whole`), createWriteStream(car));
    await rename(`${car}.whole`, car);
    expect(await cluster.worker('ada').event('transfer')).toMatchObject({
      data: { image, state: 'running' },
    });
    const status = await cluster.cli(['worker', 'status'], { home: 'ada' });
    expect(status.lines[0]).toMatchObject({ status: { fetching: { image, bytes: expect.any(Number) } } });
    await cluster.cli(['worker', 'limits', '--down', 'none'], { home: 'ada' });
    const { code } = await proc.end();
    expect(code, proc.report()).toBe(0);
    for (const node of [cluster.control, cluster.worker('ada')])
      expect(node.all('transfer').at(-1)).toMatchObject({ data: { image, state: 'done' } });
    const verdict = proc.lines.at(-1);
    expect(verdict).toMatchObject({ event: 'verdict', level: 'trusted' });
    const fetched = await cluster.fetch(
      String(verdict?.artifact),
      'tool',
      '--bundle-out',
      join(cluster.dir, 'b'),
    );
    expect(fetched.code, fetched.report).toBe(0);
    expect(await cluster.readText('fetched', 'tool', 'mark')).toBe('of the image\n');
    expect(await cluster.readText('fetched', 'tool', 'programs')).toBe(
      'cat\ndash\nenv\nls\nrm\nsetpriv\nsh\nsleep\ntar\n',
    );
    const shown = await cluster.cli(['show', String((await proc.event('submitted')).run)]);
    expect(shown.code, shown.report).toBe(0);
    const log = await cluster.cli(['logs', String((await proc.event('submitted')).run), '--worker', 'ada']);
    expect(log.report).toContain(`quorate: fetching the image ${image}: `);
    expect(log.report).toContain(`quorate: done fetching the image ${image}: `);
    for (const name of ['ada', 'ben', 'cleo', 'tower'])
      expect((await readdir(join(cluster.home(name), 'store', 'public'))).join()).toContain('.file');
    const { receipts } = decodeBundle(await readFile(join(cluster.dir, 'b'), 'utf8'));
    const portable = receipts.map(({ envelope }) => {
      const { payload } = JSON.parse(envelope) as { payload: string };
      return Buffer.from(payload, 'base64').toString().includes('"portable":true');
    });
    expect(portable.length).toBeGreaterThan(2);
    expect(portable).not.toContain(false);
    for (const name of ['ada', 'ben', 'cleo', 'tower'])
      expect(await readdir(join(cluster.home(name), 'image-cache'))).toEqual([image]);
  });

  it('is answered from the evidence of before where it is asked for again, and with --rebuild is built and compared', async () => {
    const kinds = (lines: readonly Record<string, unknown>[]) => lines.map(({ event }) => event);
    const again = await cluster.cli(['run', tool]);
    expect(again.code, again.report).toBe(0);
    expect(kinds(again.lines)).toEqual([
      ...['submitted', 'accepted', 'answered', 'answer-cosigning', 'verdict', 'verdict'],
    ]);
    const verdict = again.lines.at(-1);
    expect(verdict).toMatchObject({ level: 'trusted', artifact: expect.any(String), verified: true });
    const fetched = await cluster.fetch(String(verdict?.artifact), 'again');
    expect(fetched.code, fetched.report).toBe(0);
    const shown = await cluster.cli(['show', String(again.lines[0]?.run)]);
    const earlier = again.lines.find(({ event }) => event === 'answered')?.earlier;
    expect(shown.lines[0]).toMatchObject({ summary: { earlier } });

    const rebuilt = await cluster.cli(['run', tool, '--rebuild']);
    expect(rebuilt.code, rebuilt.report).toBe(0);
    expect(kinds(rebuilt.lines)).toContain('round');
    expect(rebuilt.lines.at(-1)).toMatchObject({ event: 'repeated', same: true, earlier });
  });

  it('is built again without fetching it again, by a controller that has started anew too', async () => {
    const fetches = () => cluster.worker('ada').all('image').length;
    const before = fetches();
    await cluster.control.stop();
    await cluster.startController();
    const proc = await cluster.submit(await cluster.git.commit('again', files(image, run)));
    const { code } = await proc.end();
    expect(code, proc.report()).toBe(0);
    expect(fetches()).toBe(before);
  });

  it('is tried alone with the image of the project, or with one that is ready in the home', async () => {
    const repo = join(cluster.dir, 'tried');
    await mkdir(repo);
    await cp(join(cluster.git.dir, 'tool'), repo, { recursive: true });
    await mkdir(join(repo, '.quorate'), { recursive: true });
    await cp(join(cluster.projectDir, '.quorate', 'images'), join(repo, '.quorate', 'images'), {
      recursive: true,
    });
    const first = await cluster.cli(['try'], { cwd: repo, home: 'trier' });
    expect(first.code, first.report).toBe(0);
    await rm(join(repo, '.quorate'), { recursive: true });
    const second = await cluster.cli(['try'], { cwd: repo, home: 'trier' });
    expect(second.code, second.report).toBe(0);
    const built = (lines: typeof first.lines) => lines.find(({ event }) => event === 'built');
    expect(built(second.lines)?.artifact).toBe(built(first.lines)?.artifact);
    const without = await cluster.cli(['try'], { cwd: repo, home: 'other' });
    expect(without.error, without.report).toBe('IMAGE_UNKNOWN');
  });
});
