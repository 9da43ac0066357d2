import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guards } from '../../../sandbox/namespace/guards.ts';
import { exited, play, processesWith, tempFolder, uniqueSleep } from '../../sandbox/support.ts';
import { sandboxWith } from './support.ts';

/** System call numbers by name, for perl's `syscall`. */
const calls = process.arch === 'arm64' ? { ptrace: 117, keyctl: 219 } : { ptrace: 101, keyctl: 250 };

describe('a build that attacks its host', () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  beforeAll(async () => {
    folder = await tempFolder();
  });
  afterAll(() => folder.remove());

  it('reads none of its files', async () => {
    const secret = join(folder.path, 'secret');
    await writeFile(secret, 'the worker’s key');
    await chmod(folder.path, 0o755);
    const steal = [`cat ${secret} 2>/dev/null || cat /host/secret`];
    const guarded = await play(sandboxWith(folder.path), steal);
    expect(guarded.outcome).toEqual(exited(1));
    expect(guarded.log).not.toContain('key');
    const control = sandboxWith(folder.path, { files: () => ['--ro-bind', folder.path, '/host'] });
    expect(await play(control, steal)).toMatchObject({ outcome: exited(0), log: 'the worker’s key' });
  });

  it('makes no system call a build has no use for', async () => {
    const tries = [
      { attack: `perl -e 'exit(syscall(${calls.ptrace}, 0, 0, 0, 0) == 0 ? 0 : 4)'` },
      // KEYCTL_GET_KEYRING_ID of the session keyring, made when missing.
      { attack: `perl -e 'exit(syscall(${calls.keyctl}, 0, -3, 1) > 0 ? 0 : 4)'` },
    ];
    for (const { attack } of tries) {
      expect((await play(sandboxWith(folder.path), [attack])).outcome).toEqual(exited(4));
      const control = sandboxWith(folder.path, { seccomp: () => undefined });
      expect((await play(control, [attack])).outcome).toEqual(exited(0));
    }
  });

  it('makes no user namespace, and so gains no capability to try the kernel with', async () => {
    const attack = ['unshare -Ur true'];
    expect((await play(sandboxWith(folder.path), attack)).outcome).not.toEqual(exited(0));
    // Two guards refuse it; each alone does, and only without both it succeeds.
    const without = (name: string) => guards.namespaces().filter((argument) => argument !== name);
    const nested = { namespaces: () => without('--disable-userns') };
    const unfiltered = { seccomp: () => undefined };
    expect((await play(sandboxWith(folder.path, nested), attack)).outcome).not.toEqual(exited(0));
    expect((await play(sandboxWith(folder.path, unfiltered), attack)).outcome).not.toEqual(exited(0));
    expect((await play(sandboxWith(folder.path, { ...nested, ...unfiltered }), attack)).outcome).toEqual(
      exited(0),
    );
  });

  it('does not run under an account of the host', async () => {
    const uidOf = async (weakened = {}): Promise<number> => {
      const nap = uniqueSleep();
      const stop = new AbortController();
      let uid = -1;
      await play(sandboxWith(folder.path, weakened), [`sleep ${nap} & echo go; wait`], {
        signal: stop.signal,
        onLog: () => {
          void (async () => {
            for (let tries = 0; tries < 100 && uid < 0; tries++) {
              const [pid] = await processesWith(nap);
              const status =
                pid === undefined ? '' : await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
              uid = Number(/^Uid:\s(\d+)/m.exec(status)?.[1] ?? -1);
            }
            stop.abort();
          })();
        },
      });
      return uid;
    };
    const own = process.getuid?.() ?? 0;
    const guarded = await uidOf();
    if (own === 0) expect(guarded).toBeGreaterThan(65_533);
    else expect(guarded).toBe(own);
    expect(await uidOf({ account: () => undefined })).toBe(own);
  });

  it('does not forge the word of the driver that judges it', async () => {
    const forge = ['if (exec 3<> /proc/1/mem) 2>/dev/null; then echo open; else echo closed; fi'];
    expect(await play(sandboxWith(folder.path), forge)).toMatchObject({
      outcome: exited(0),
      log: 'closed\n',
    });
    const control = sandboxWith(folder.path, { stepPrefix: () => [] });
    expect(await play(control, forge)).toMatchObject({ outcome: exited(0), log: 'open\n' });
  });
});
