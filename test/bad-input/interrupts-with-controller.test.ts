import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Patience } from '../../src/node/patience.ts';
import { Cluster } from '../e2e/support/cluster.ts';
import { jobFile, program } from '../e2e/support/jobs.ts';
import { hasOpen, isConnected } from '../e2e/support/proc-files.ts';
import type { Proc } from '../e2e/support/processes.ts';
import { until } from '../e2e/support/wait.ts';
import { processesWith, uniqueSleep } from '../sandbox/support.ts';
import { ctrlC, saying, stopped } from './support/interrupt.ts';
import { Person } from './support/person.ts';

let person: Person;
let cluster: Cluster;
/** Repositories that workers can build, and one that takes its time. */
let urls: { quick: string; slow: string };
const nap = uniqueSleep();

beforeAll(async () => {
  person = await Person.arrive();
  cluster = await Cluster.start({ volunteers: ['ada', 'ben'], slotWait: '10m', askInside: true });
  urls = {
    quick: await cluster.git.commit('quick', program('quick')),
    slow: await cluster.git.commit('slow', {
      'quorate.yaml': jobFile({ run: [`echo begun; sleep ${nap}`] }),
    }),
  };
});

/** As the owner, in the project's repository. */
const owner = () => ({ cwd: cluster.projectDir, home: cluster.home('owner') });

/** Control groups of what a worker builds now, by its own notes. */
async function groupsOf(worker: string): Promise<string[]> {
  const notes = join(cluster.home(worker), 'sandbox', 'sandbox');
  const texts = await Promise.all((await readdir(notes)).map((file) => readFile(join(notes, file), 'utf8')));
  return texts.flatMap((text) => (JSON.parse(text) as { directories: string[] }).directories);
}

/** Waits until it has asked a controller that does not answer. */
const asking = (proc: Proc) =>
  until('a connection to the controller', () => {
    if (!proc.alive) throw new Error(`it ended before\n${proc.report()}`);
    return isConnected(proc.pid, cluster.port);
  });

/** A version control server that takes a connection and never says a word. */
async function silentServer(): Promise<string> {
  const server = createServer();
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `git://127.0.0.1:${(server.address() as AddressInfo).port}/x`;
}

/** The controller goes on as a process, and answers nobody, until the test is over. */
function muteController(): void {
  const { control } = cluster;
  control.signal('SIGSTOP');
  onTestFinished(() => control.signal('SIGCONT'));
}

describe('Ctrl-C on run', () => {
  it.each([
    ['looks up the branch', []],
    ['fetches the commit', ['--ref', 'c0ffee'.padEnd(40, '0')]],
  ])('while it %s ends git too', async (_, ref) => {
    const url = await silentServer();
    const run = person.start(['run', url, ...ref], owner());
    await saying(run, 'Reading');
    await until('git', async () => (await processesWith(url)).length > 0);
    expect(await ctrlC(person, run)).toEqual({ code: 130, err: stopped });
    expect(await processesWith(url)).toEqual([]);
  });

  it('while it publishes says that the job may have arrived', async () => {
    muteController();
    const run = person.start(['run', urls.quick], owner());
    await saying(run, 'Reading');
    await asking(run);
    const { code, err } = await ctrlC(person, run);
    expect(code).toBe(130);
    expect(err).toMatch(/^error\[CLI_INTERRUPTED\]: .*published\nhint: It may have arrived: quorate jobs/);
  });

  it.each(['no worker has come yet', 'workers build'])('while %s: the job goes on', async (stage) => {
    const builds = stage === 'workers build';
    if (!builds) for (const name of ['ada', 'ben']) cluster.worker(name).signal('SIGSTOP');
    onTestFinished(() => {
      for (const name of ['ada', 'ben']) cluster.worker(name).signal('SIGCONT');
    });
    const run = person.start(['run', urls.slow], owner());
    await saying(run, builds ? 'building' : 'Round 1');
    const { code, err } = await ctrlC(person, run);
    expect(code).toBe(130);
    const [, id = ''] =
      /^No longer following; the job goes on\. Again: quorate show (\w+)\n$/.exec(err) ?? [];
    expect(id, err).not.toBe('');
    expect(await cluster.show(id)).toMatchObject({ state: 'building', level: null });
    expect((await cluster.cli(['cancel', id, '--reason', 'seen'])).code).toBe(0);
  });

  it('while the signature of a trusted worker is awaited: the job goes on', async () => {
    const files = { 'quorate.yaml': jobFile({ run: ['echo a > "$OUT/a"'], of: 2 }) };
    const run = person.start(['run', await cluster.git.commit('agreed', files)], owner());
    await saying(run, 'agreed (verified)');
    const { code, err } = await ctrlC(person, run);
    expect({ code, err }).toEqual({
      code: 130,
      err: expect.stringMatching(/^No longer following; the job goes on\. Again: quorate show \w+\n$/),
    });
  });
});

describe('Ctrl-C on commands that ask the controller', () => {
  it('and get no answer', async () => {
    const known = await person.inside(['jobs'], owner());
    expect(known.code, known.report).toBe(0);
    muteController();
    const commands = [
      ['jobs'],
      ['show', 'bafyreib3'],
      ['logs', 'bafyreib3'],
      ['cancel', 'bafy1234', '--reason', 'x'],
    ];
    const procs = commands.map((args) => person.start(args, owner()));
    await Promise.all(procs.map(asking));
    for (const proc of procs) expect(await ctrlC(person, proc)).toEqual({ code: 130, err: stopped });
  });

  it('and follow logs', async () => {
    const run = await cluster.submit(urls.slow);
    await run.event('leased');
    const logs = person.start(['logs', run.run, '--follow'], owner());
    await saying(logs, 'begun');
    expect(await ctrlC(person, logs)).toEqual({
      code: 130,
      err: 'error[CLI_INTERRUPTED]: stopped following the logs\nhint: The job goes on: quorate show <job> tells how it ends.\n',
    });
    await run.stop('SIGINT');
    await cluster.cli(['cancel', run.run, '--reason', 'seen']);
  });
});

describe('a controller that never answers', () => {
  it('is given up by itself, with the addresses tried', async () => {
    vi.stubEnv('TMPDIR', person.tmp);
    onTestFinished(() => void vi.unstubAllEnvs());
    const known = await person.inside(['jobs'], owner());
    expect(known.code, known.report).toBe(0);
    muteController();
    // The ten minutes for which it may be busy pass as twenty seconds; patience.test.ts measures them.
    const { pause } = Patience.prototype;
    const hurried = vi.spyOn(Patience.prototype, 'pause');
    onTestFinished(() => hurried.mockRestore());
    hurried.mockImplementation(function (this: Patience, error, now, random) {
      return pause.call(this, error, 30 * now, random);
    });
    const asked = [['jobs'], ['run', urls.quick], ['join', await cluster.ticket('late', '--role', 'reader')]];
    const answers = await Promise.all(
      asked.map((args) =>
        person.inside(args, { ...owner(), ...(args[0] === 'join' ? { home: person.at('late') } : {}) }),
      ),
    );
    for (const { code, err, report } of answers) {
      expect(code, report).toBe(3);
      expect(err).toMatch(
        /^waiting: .*\nerror\[MESH_BUSY\]: \w+ at \/ip4\/127\.0\.0\.1\/tcp\/.* took the connection and did not complete it\nhint: /,
      );
    }
    expect(await person.litter()).toEqual([]);
  });
});

describe('Ctrl-C on join', () => {
  it('while it looks at the machine, and while it asks the controller: this machine is no member', async () => {
    const ticket = await cluster.ticket('cyd');
    const home = person.at('cyd');
    const looking = person.start(['join', ticket, '--yes', '--tier', 'namespace'], { home });
    await saying(looking, 'Looking');
    expect(await ctrlC(person, looking)).toEqual({ code: 130, err: stopped });

    muteController();
    const enrolling = person.start(['join', ticket, '--yes', '--tier', 'namespace'], { home });
    await saying(enrolling, 'Looking');
    await asking(enrolling);
    expect(await ctrlC(person, enrolling)).toEqual({ code: 130, err: stopped });
    expect(existsSync(join(home, 'projects'))).toBe(false);
    expect((await readdir(home)).filter((name) => name.startsWith('tmp-'))).toEqual([]);
  });

  it('while it builds: no process, file or lock is left, and it comes back', async () => {
    const ada = cluster.worker('ada');
    const since = ada.mark();
    const run = await cluster.submit(urls.slow);
    await ada.event('build', { since });
    await until('the build', async () => (await processesWith(nap)).length > 0);
    const groups = await groupsOf('ada');
    expect(groups.filter(existsSync)).not.toEqual([]);
    await cluster.worker('ben').kill();
    expect(await ada.stop('SIGINT')).toEqual({ code: 0, signal: null });
    expect(groups.filter(existsSync)).toEqual([]);
    // Those of the killed worker follow it, also where they had only begun.
    await until('the end of all builds', async () => (await processesWith(nap)).length === 0);
    expect((await readdir(cluster.home('ada'))).filter((name) => name.startsWith('tmp-'))).toEqual([]);

    await run.stop('SIGINT');
    expect((await cluster.cli(['cancel', run.run, '--reason', 'seen'])).code).toBe(0);
    const again = await cluster.join('ada');
    await again.event('connected');
    const sealed = join(cluster.home('ada'), 'store', 'sealed');
    await until('nothing to be kept of the build', async () => (await readdir(sealed)).length === 0);
    expect(await again.stop('SIGINT')).toEqual({ code: 0, signal: null });
  });
});

describe('Ctrl-C on controller', () => {
  it('while it starts leaves nothing that is in the way of the next', async () => {
    await cluster.control.stop('SIGINT');
    for (const file of ['', 'controller.db', 'index.db']) {
      const proc = cluster.start('controller', ['controller', '--listen', '/ip4/127.0.0.1/tcp/0']);
      if (file !== '') await until(`${file} or its end`, () => !proc.alive || hasOpen(proc.pid, file));
      proc.signal('SIGINT');
      const { code, signal } = await proc.end();
      // Before Node has read the program a signal does what it does by default; once it listens, it is told to stop.
      expect([0, 130, 'SIGINT'], proc.report()).toContain(code ?? signal);
    }
    const controller = await cluster.startController();
    expect(await controller.stop('SIGINT')).toEqual({ code: 0, signal: null });
  });
});
