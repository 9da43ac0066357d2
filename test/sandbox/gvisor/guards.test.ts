import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GvisorGuards } from '../../../sandbox/gvisor/guards.ts';
import { exited, play, processesOfJobs, tempFolder } from '../support.ts';
import { gvisorWith } from './support.ts';

/** The driver under the account of the steps, as in other tiers, and with no more than theirs. */
const oneAccount: Partial<GvisorGuards> = {
  driver: () => ({
    user: { uid: 1000, gid: 1000 },
    capabilities: { bounding: [], effective: [], permitted: [], inheritable: [] },
    noNewPrivileges: true,
  }),
  stepPrefix: () => ['env'],
};

/** Each guard inside of gVisor as it is, and the same attack where that one is off. */
describe('in gVisor', () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  beforeAll(async () => {
    folder = await tempFolder();
  });
  afterAll(() => folder.remove());
  const on = (step: string) => play(gvisorWith(folder.path), [step]);
  const off = (weakened: Parameters<typeof gvisorWith>[1], step: string) =>
    play(gvisorWith(folder.path, weakened), [step]);

  it('a step cannot end the driver, whose account is another', async () => {
    const step = 'kill -9 1 || true; sleep 0.2; exit 3';
    const [held, ran] = await Promise.all([on(step), off(oneAccount, step)]);
    expect(held.outcome).toEqual(exited(3));
    expect(ran.outcome).toMatchObject({ kind: 'aborted', reason: 'killed' });
  });

  it('the filter closes user namespaces, tracing and other families of sockets', async () => {
    const step = [
      'unshare -U true 2>/dev/null && echo namespace',
      `perl -e 'fork == 0 and exit(syscall(${process.arch === 'arm64' ? 117 : 101}, 0, 0, 0, 0) < 0); wait; print "trace\\n" if $? == 0'`,
      `perl -e 'socket(S, 16, 3, 0) and print "netlink\\n"'`,
      'true',
    ].join('\n');
    const tried = `set +e\n${step}`;
    const [held, ran] = await Promise.all([on(tried), off({ seccomp: () => undefined }, tried)]);
    expect(held.log).toBe('');
    expect(ran.log).toBe('namespace\ntrace\nnetlink\n');
  });

  it('processes are counted by gVisor itself', async () => {
    const step = 'i=0; while [ $i -lt 6 ]; do sleep 9 & i=$((i + 1)); done; echo $i';
    const [held, ran] = await Promise.all(
      [gvisorWith(folder.path), gvisorWith(folder.path, { processes: () => [] })].map((sandbox) =>
        play(sandbox, [step], { limits: { pids: 6 } }),
      ),
    );
    expect(held).toMatchObject({ outcome: exited(2), log: expect.stringContaining('Cannot fork') });
    expect(ran?.log).toBe('6\n');
  });

  it('gVisor itself has an account of nobody’s', async () => {
    const seen = async () => {
      const stop = new AbortController();
      const status: string[] = [];
      await play(gvisorWith(folder.path), ['echo go; sleep 30'], {
        signal: stop.signal,
        onLog: () =>
          void processesOfJobs()
            .then((pids) =>
              Promise.all(pids.map((pid) => readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''))),
            )
            .then((all) => {
              status.push(...all.filter((text) => text !== ''));
              stop.abort();
            }),
      });
      return status.map((text) => Number(/^Uid:\s(\d+)/m.exec(text)?.[1]));
    };
    const uids = await seen();
    expect(uids.length).toBeGreaterThan(3);
    expect(uids.filter((uid) => uid === 0)).toEqual([]);
  });
});
