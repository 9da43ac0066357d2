import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, openClient } from '../../../src/member/client.ts';
import { openHome } from '../../../src/node/membership/home.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import type { ListedRun } from '../../../src/watcher/machine/alarms.ts';
import type { HookTold } from '../../../src/watcher/machine/hook-ledger.ts';
import { parseRefPattern } from '../../../src/watcher/machine/hook-refs.ts';
import { TrustedHook, type TrustedRules } from '../../../src/watcher/machine/trusted-hook.ts';
import { logInMemory, takeTrusted } from '../../../src/watcher/node/hook-evidence.ts';
import { openHookFolder } from '../../../src/watcher/node/hook-folder.ts';
import { followTrusted, type HookEnv } from '../../../src/watcher/sessions/hook.ts';
import { git } from '../../e2e/support/git.ts';
import { program } from '../../e2e/support/jobs.ts';
import { LocalCluster } from '../../e2e/support/local-cluster.ts';

/**
 * A controller lists runs falsely. A real project, its real evidence, and a hook that is told lies; in the control
 * runs the guard is off, and the command runs.
 */
let cluster: LocalCluster;
let honest: ListedRun[];
let source: Client['source'];
let close: () => Promise<void>;
afterAll(() => close());
const [first, second, pull] = [0, 1, 2];

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers: ['ada', 'ben', 'cyd'], trusted: true });
  const build = async (says: string, ref: string) => {
    const url = await cluster.git.commit('tool', program(says));
    await git(cluster.git.folder('tool'), 'update-ref', 'refs/pull/1/head', 'HEAD');
    const node = await cluster.submit(url, '--ref', ref);
    expect((await node.end()).code, node.report()).toBe(0);
    return node.run;
  };
  const runs = [await build('one', 'main'), await build('two', 'main')];
  runs.push(await build('evil', 'refs/pull/1/head'));
  const home = openHome(cluster.home('owner'));
  const membership = await home.membership();
  const client = await openClient({ home, membership, signal: new AbortController().signal });
  const { jobs } = await client.jobs();
  source = client.source;
  close = () => client.close();
  honest = runs.map((run) => {
    const found = jobs.find((job) => job.run === run);
    if (found === undefined) throw new Error(`the controller does not list ${run}`);
    return found;
  });
});

/** Does what it is told: no rule of the owner, no log index. */
class Believing extends TrustedHook {
  readonly #seen = new Set<string>();

  override next(runs: readonly ListedRun[]): ListedRun | undefined {
    return runs.find(({ run }) => !this.#seen.has(run));
  }

  override verified(said: ListedRun): ReturnType<TrustedHook['verified']> {
    this.#seen.add(said.run);
    return { kind: 'started', subject: said.run, artifact: said.artifact };
  }
}

/** Takes a false notice for the fault of the run. */
class Unforgiving extends TrustedHook {
  override isFalse(): boolean {
    return false;
  }
}

const rules: TrustedRules = { refs: [parseRefPattern('main')], jobs: [], uncosigned: false };

/** Shows a hook these listings, one after the other. Returns what it told, and what its commands were given. */
async function show(
  listings: ListedRun[][],
  { home = '', Hook = TrustedHook, believed = false, untilRetry = false, shown = source } = {},
): Promise<{ told: HookTold[]; commands: HookEnv[] }> {
  const dir = home === '' ? await mkdtemp(join(cluster.dir, 'hook-')) : home;
  const stop = new AbortController();
  const folder = await openHookFolder(dir, cluster.project, 'trusted', stop.signal);
  const told: HookTold[] = [];
  const commands: HookEnv[] = [];
  const left = [...listings];
  let seen = 0;
  const owner = openHome(cluster.home('owner'));
  await followTrusted(
    {
      project: cluster.project,
      folder,
      clock: folder.clock,
      once: false,
      pollMs: 20,
      async list() {
        // The next listing when nothing came of this one any more.
        if (told.length === seen && told.at(-1)?.event !== 'retrying') left.shift();
        seen = told.length;
        if (left.length === 0) stop.abort();
        return { jobs: left[0] ?? [], equivocations: [] };
      },
      async execute(env) {
        commands.push(env);
        return { kind: 'exit', code: 0 };
      },
      tell(one) {
        told.push(one);
        if (untilRetry && one.event === 'retrying') stop.abort();
      },
    },
    new Hook(rules, folder.ledger),
    (run, dir, accept) => {
      const ref = believed ? 'refs/pull/1/head' : run.ref;
      return takeTrusted({
        home: owner,
        project: cluster.project,
        run: { ...run, ref },
        dir,
        accept,
        log: { source: shown, copy: logInMemory() },
        signal: new AbortController().signal,
      });
    },
  );
  await folder.close();
  return { told, commands };
}

const listedOf = (n: number): ListedRun => {
  const run = honest[n];
  if (run === undefined) throw new Error('no such run');
  return run;
};
const codes = (told: readonly HookTold[]) =>
  told.flatMap((one) => (one.event === 'refused' ? [one.code] : []));
const requests = (commands: readonly HookEnv[]) => commands.map((env) => env.QUORATE_REQUEST);

describe('a controller that lists', () => {
  it('a pull request as the branch: its evidence says what it is', async () => {
    const lie = { ...listedOf(pull), ref: 'refs/heads/main' };
    const { told, commands } = await show([[lie], [listedOf(first)]]);
    expect(codes(told)).toEqual(['REF_MISMATCH']);
    expect(requests(commands)).toEqual([listedOf(first).run]);
    const control = await show([[lie]], { Hook: Believing, believed: true });
    expect(requests(control.commands)).toEqual([listedOf(pull).run]);
  });

  it('the artifact of a pull request under a run of the branch: the run proves another one', async () => {
    const lie = { ...listedOf(first), artifact: listedOf(pull).artifact };
    const { told, commands } = await show([[lie]]);
    expect(codes(told)).toEqual(['ARTIFACT_MISMATCH']);
    expect(commands).toEqual([]);
  });

  it('a run falsely, and later as it is: the lie says nothing against the run', async () => {
    const lie = { ...listedOf(first), artifact: listedOf(pull).artifact };
    const { told, commands } = await show([[lie], [listedOf(first)]]);
    expect(codes(told)).toEqual(['ARTIFACT_MISMATCH']);
    expect(requests(commands)).toEqual([listedOf(first).run]);
    const control = await show([[lie], [listedOf(first)]], { Hook: Unforgiving });
    expect(control.commands).toEqual([]);
  });

  it('an older run after a newer one, with nothing beside it: the log says which is older', async () => {
    const dir = await mkdtemp(join(cluster.dir, 'hook-'));
    const newer = await show([[listedOf(second)]], { home: dir });
    expect(requests(newer.commands)).toEqual([listedOf(second).run]);
    const older = await show([[listedOf(first)], [listedOf(second)]], { home: dir });
    expect(codes(older.told)).toEqual(['HOOK_OLDER']);
    expect(older.commands).toEqual([]);
    const control = await show([[listedOf(first)]]);
    expect(requests(control.commands)).toEqual([listedOf(first).run]);
  });

  it('no log that others signed: the command does not run', async () => {
    const shown = {
      ...source,
      checkpoint: async () => {
        throw new QuorateError('CONTROLLER_NOT_STARTED', 'no');
      },
    };
    const { told, commands } = await show([[listedOf(second)]], { untilRetry: true, shown });
    expect(told.at(-1)).toMatchObject({ event: 'retrying', run: listedOf(second).run });
    expect(commands).toEqual([]);
  });

  it('a revoked artifact as if it were not revoked: members are asked each time', async () => {
    const { artifact } = listedOf(second);
    const before = await show([[listedOf(second)]]);
    expect(requests(before.commands)).toEqual([listedOf(second).run]);
    const revoked = await cluster.cli(['revoke', String(artifact), '--reason', 'it steals', '--since', '0']);
    expect(revoked.code, revoked.report).toBe(0);
    const { told, commands } = await show([[listedOf(second)]]);
    expect(codes(told)).toEqual(['ARTIFACT_REVOKED']);
    expect(commands).toEqual([]);
  });
});

describe('a hook without a controller or a member that answers', () => {
  it('for evidence and revocations: the command does not run', async () => {
    await cluster.control.stop();
    for (const worker of cluster.workers.values()) await worker.stop();
    const { told, commands } = await show([[listedOf(first)]], { untilRetry: true });
    expect(told.at(-1)).toMatchObject({ event: 'retrying', run: listedOf(first).run });
    expect(commands).toEqual([]);
  });
});
