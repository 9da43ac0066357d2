import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sandbox, SandboxImage, SandboxJob, Tier } from '../../sandbox/index.ts';
import { ImageCache } from '../../src/execution/images/cache.ts';
import { readImage } from '../../src/image/index.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { file, layoutOf, link, writeLayoutTo } from '../image/support.ts';
import { smallSystem } from '../image/system.ts';
import { exited, play, tempFolder, unprobed } from './support.ts';

/** Below a folder that is this user's alone, as a home folder is. */
let dir: string;
let store: Store;
let image: SandboxImage;
let tree: string;
const signal = AbortSignal.timeout(120_000);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'quorate-test-'));
  store = await openStore({ dir: join(dir, 'store') });
  const layout = await layoutOf([
    [...smallSystem(), file('usr/share/mark', 'of the image'), link('abs', '/usr/share/mark')],
  ]);
  await writeLayoutTo(layout, join(dir, 'layout'));
  const tar = await readImage(join(dir, 'layout'), { scratch: dir, signal, arch: 'x86_64' });
  const { root } = await store.importTar(tar, { into: store.public, rules: 'image' });
  const source = { obtain: async () => {}, discard: async () => {} };
  const cache = new ImageCache({ dir: join(dir, 'cache'), bytesMax: 1e9, store, signal, source });
  image = cache.use(root, signal);
  tree = await image.directory();
});

afterAll(async () => {
  await store.close();
  await rm(dir, { recursive: true, force: true });
});

describe.each<Tier>(['namespace', 'gvisor'])('a build in an image, in the tier %s', (tier) => {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let sandbox: Sandbox;
  const run = (steps: SandboxJob['run']) => play(sandbox, steps, { image, outputs: ['.'] });

  beforeAll(async () => {
    folder = await tempFolder();
    sandbox = unprobed(folder.path, tier);
  });
  afterAll(() => folder?.remove());

  it('without bash ends before its first step, where a later one asks for it', async () => {
    const lines: string[] = [];
    const steps = ['echo begun', { run: 'echo', shell: 'bash' as const }];
    const onLog = (text: string) => lines.push(text);
    await expect(play(sandbox, steps, { image, onLog })).rejects.toMatchObject({
      code: 'SANDBOX_SHELL_MISSING',
      message: `a step asks for bash, and there is none in the image ${image.cid}`,
    });
    expect(lines).toEqual([]);
    expect((await run(['echo begun'])).log).toBe('begun\n');
  });

  it('has it as its root, and nothing of the host', async () => {
    const { outcome, log, outputs } = await run([
      'cat /usr/share/mark > "$OUT/mark"; cat /abs; echo',
      'ls / ; ls /etc; cat /etc/passwd',
      'test -x /usr/bin/dash; test ! -e /usr/bin/perl; test ! -e /var; test ! -e /home',
      'cat /proc/self/status > /dev/null; echo x > /tmp/x; cat /build/tmp/x; echo > /dev/null',
    ]);
    expect(outcome, log).toEqual(exited(0));
    expect(outputs.find(({ header }) => header.name === './mark')?.text).toBe('of the image');
    const [first, ...rest] = log.split('\n');
    expect(first).toBe('of the image');
    expect(rest.slice(0, 12)).toEqual('abs bin build dev etc lib lib64 proc run sys tmp usr'.split(' '));
    expect(log).toContain('group\nhosts\nnsswitch.conf\npasswd\n');
    expect(log).toContain('build:x:1000:1000');
  });

  it('cannot change it', async () => {
    const { outcome, log } = await run([
      'for at in /usr/share/mark /usr/new /etc/passwd /run/x /new; do if echo changed > $at; then exit 9; fi; done 2>/dev/null',
    ]);
    expect(outcome, log).toEqual(exited(0));
    expect(await readFile(join(tree, 'usr/share/mark'), 'utf8')).toBe('of the image');
    expect(await readFile(join(tree, 'etc/passwd'), 'utf8')).toBe('');
  });
});
