import { randomUUID } from 'node:crypto';
import { existsSync, watch } from 'node:fs';
import { chmod, mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createKey } from '../../src/identity/keys.ts';
import { endSessionsOf } from '../../src/identity/oidc/settings-file.ts';
import { RememberedPeers } from '../../src/mesh/remembered-peers.ts';
import { openBundles } from '../../src/node/artifacts/bundles.ts';
import { readOptional, writeAtomic } from '../../src/node/files.ts';
import { nodeLimits } from '../../src/node/limits.ts';
import { codeOf, folder } from '../support/code-and-folder.ts';

describe('writeAtomic', () => {
  it('makes the folder, replaces what was there, and is for its owner only', async () => {
    const file = join(await folder(), 'a', 'b');
    await writeAtomic(file, 'one');
    await writeAtomic(file, 'two');
    expect(await readFile(file, 'utf8')).toBe('two');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(join(file, '..'))).mode & 0o777).toBe(0o700);
    expect(await readdir(join(file, '..'))).toEqual(['b']);
  });

  it('never shows half of it to a reader, with many writers at once', async () => {
    const file = join(await folder(), 'f');
    const texts = Array.from({ length: 20 }, (_, n) => String.fromCharCode(97 + n).repeat(50_000));
    await writeAtomic(file, texts[0] ?? '');
    let done = false;
    const seen = new Set<string>();
    const reading = (async () => {
      while (!done) seen.add((await readOptional(file)) ?? 'nothing');
    })();
    await Promise.all(texts.map((text) => writeAtomic(file, text)));
    done = true;
    await reading;
    expect([...seen].filter((text) => !texts.includes(text))).toEqual([]);
    expect(await readdir(join(file, '..'))).toEqual(['f']);
  });

  it('says so when it cannot, leaves what was there, and nothing beside it', async () => {
    const dir = await folder();
    await mkdir(join(dir, 'taken', 'inside'), { recursive: true });
    expect(await codeOf(() => writeAtomic(join(dir, 'taken'), 'x'))).toBe('HOME_UNWRITABLE');
    expect(await readdir(dir)).toEqual(['taken']);
    await writeFile(join(dir, 'file'), 'x');
    expect(await codeOf(() => writeAtomic(join(dir, 'file', 'below'), 'x'))).toBe('HOME_UNWRITABLE');
    expect(await readFile(join(dir, 'file'), 'utf8')).toBe('x');
  });
});

describe('writeAtomic, in a folder where a process was killed in the middle of it', () => {
  it('removes what that left, and nothing that is younger or of another name', async () => {
    const dir = await folder();
    const old = `charter.jws.${randomUUID()}.new`;
    const young = `charter.jws.${randomUUID()}.new`;
    for (const name of [old, young, 'mine.new']) await writeFile(join(dir, name), 'half');
    const longAgo = new Date(Date.now() - 600_000);
    for (const name of [old, 'mine.new']) await utimes(join(dir, name), longAgo, longAgo);
    await writeAtomic(join(dir, 'charter.jws'), 'whole');
    expect((await readdir(dir)).sort()).toEqual(['charter.jws', young, 'mine.new'].sort());
  });

  it('removes what is older than a write may be, and not what is as old', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 + nodeLimits.unfinishedMsMin });
    onTestFinished(() => void vi.useRealTimers());
    for (const [seconds, left] of [
      [1_800_000_000, 2],
      [1_799_999_999, 1],
    ] as const) {
      const dir = await folder();
      const unfinished = join(dir, `charter.jws.${randomUUID()}.new`);
      await writeFile(unfinished, 'half');
      await utimes(unfinished, seconds, seconds);
      await writeAtomic(join(dir, 'charter.jws'), 'whole');
      expect(await readdir(dir)).toHaveLength(left);
    }
  });

  it.each<[string, (file: string) => Promise<unknown>]>([
    ['a key', createKey],
    ['ended sessions', (file) => endSessionsOf('ada', file, Date.now())],
    [
      'peers that were met',
      (file) => {
        const peers = new RememberedPeers(file, () => {});
        peers.remember('ada', ['/ip4/127.0.0.1/tcp/1'], true, 1);
        return peers.close();
      },
    ],
  ])('removes what the writing of %s left', async (_, write) => {
    const [made, dir] = [await folder(), await folder()];
    const names = new Set<string>();
    const watcher = watch(made, (_event, name) => names.add(name ?? ''));
    await write(join(made, 'file'));
    await expect.poll(() => names.size).toBeGreaterThan(1);
    watcher.close();
    const left = [...names].filter((name) => !existsSync(join(made, name)));
    expect(left).toHaveLength(1);
    for (const name of left) {
      await writeFile(join(dir, name), 'half');
      await utimes(join(dir, name), 1_700_000_000, 1_700_000_000);
    }
    await writeAtomic(join(dir, 'file'), 'whole');
    expect(await readdir(dir)).toEqual(['file']);
  });
});

describe('readOptional', () => {
  it('gives undefined for what is not there, and an error for what cannot be read', async () => {
    const dir = await folder();
    expect(await readOptional(join(dir, 'none'))).toBeUndefined();
    expect(await codeOf(() => readOptional(dir))).toBe('HOME_UNREADABLE');
  });
});

describe('bundles on disk', () => {
  const keys = { run: 'a'.repeat(64), job: 'baguqeera1', artifact: 'bafybeihpiyu6gtyik' };

  it('are found by run, job and artifact', async () => {
    const bundles = openBundles(join(await folder(), 'bundles'));
    expect(await bundles.artifacts()).toEqual([]);
    await bundles.put(keys, '{}');
    for (const key of Object.values(keys)) {
      expect(await bundles.get(key)).toBe('{}');
      expect(await bundles.has(key)).toBe(true);
    }
    expect(await bundles.get('b'.repeat(64))).toBeUndefined();
    expect(await bundles.artifacts()).toEqual([keys.artifact]);
  });

  it('cannot be asked for anything outside their folder', async () => {
    const dir = await folder();
    await writeFile(join(dir, 'secret.json'), 'secret');
    const bundles = openBundles(join(dir, 'bundles'));
    await bundles.put(keys, '{}');
    for (const which of ['../secret', '..%2fsecret', `../bundles/${keys.run}`, '', '.', `${keys.run}.json`]) {
      expect(await bundles.get(which)).toBeUndefined();
      expect(await bundles.has(which)).toBe(false);
    }
    await chmod(join(dir, 'secret.json'), 0o600);
  });
});
