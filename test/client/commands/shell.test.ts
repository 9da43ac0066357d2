import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkJob } from '../../../sandbox/check-job.ts';
import { codeIn, Person } from '../../bad-input/support/person.ts';
import { Terminal } from '../../bad-input/support/terminal.ts';
import { git } from '../../e2e/support/git.ts';
import { jobFile } from '../../e2e/support/jobs.ts';
import { until } from '../../e2e/support/wait.ts';
import { processesWith, smallLimits, tarOf, uniqueSleep } from '../../sandbox/support.ts';

const run = promisify(execFile);
let person: Person;
let dir = '';

beforeAll(async () => {
  person = await Person.arrive();
  dir = person.at('repo');
  await run('mkdir', [dir]);
  await writeFile(`${dir}/quorate.yaml`, jobFile({ run: ['false'] }));
  await git(dir, 'init', '-q', '-b', 'main');
});

/** A person's own shell that runs `quorate try --shell`; it tells what its terminal is like before and after. */
function sit(name: string, ...args: string[]): Terminal & { file(what: string): Promise<string> } {
  const words = person
    .command(['try', '--shell', ...args])
    .map((word) => `"${word}"`)
    .join(' ');
  const at = person.at(name);
  const script = [
    `stty -g > ${at}-before; tty > ${at}-tty`,
    `sh -c 'echo $$ > ${at}-pid; exec ${words}'; echo CODE $?`,
    `stty -g > ${at}-after`,
    'IFS= read -r line; echo "READ<$line>"',
  ].join('\n');
  const terminal = new Terminal(['sh', '-c', 'eval "$SCRIPT"'], {
    columns: 200,
    rows: 30,
    cwd: dir,
    env: { ...person.env(), SCRIPT: script },
  });
  return Object.assign(terminal, {
    file: async (what: string) => (await readFile(`${at}-${what}`, 'utf8')).trim(),
  });
}

/** Ends a person's own shell, and says what reached it. */
async function readBy(terminal: Terminal): Promise<string | undefined> {
  terminal.type('typed\r');
  await terminal.shows(/READ<.*>/);
  await terminal.end();
  return /READ<(.*)>/.exec(terminal.text)?.[1];
}

/** Most of each is waiting for a program to come up: some run at once. */
describe.concurrent('quorate try --shell', () => {
  it('is a shell in the sandbox at this terminal, which is nowhere in it: keys, Ctrl-C and its size go in, what is in $OUT comes out', async () => {
    const at = sit('plain', '-o', person.at('got'));
    await at.shows('build:/build/src$');
    at.type('echo "user $(id -un) on $(tty) of $(stty size)"\r');
    await at.shows('user build on /dev/pts/0 of 30 200');
    at.type('sleep 1000\r');
    await at.shows(/sleep 1000\s*$/);
    at.type('\u0003echo "status $?"\r');
    await at.shows('status 130');
    await run('stty', ['-F', await at.file('tty'), 'rows', '40', 'cols', '120']);
    at.type('until [ "$(stty size)" = "40 120" ]; do sleep 0.1; done; echo "larger now, $?"\r');
    await at.shows('larger now, 0');
    at.type('ls -l /proc/self/fd /proc/$$/fd | grep -o "[^ ]*$" | tr "\\n" " "; echo "end of it"\r');
    await at.shows(/end of it.*end of it/);
    expect(at.text).not.toContain(await at.file('tty').then((tty) => (tty === '/dev/pts/0' ? 'none' : tty)));
    at.type('(: < /proc/1/fd/0) || echo "not its"\r');
    at.type('echo kept > $OUT/x; exit 3\r');
    await at.shows('CODE 0');
    expect(await readFile(person.at('got', 'x'), 'utf8')).toBe('kept\n');
    expect(await readBy(at)).toBe('typed');
    expect(await at.file('after')).toBe(await at.file('before'));
  });

  it('does not let answers to what it asked the terminal become words of the person’s own shell', async () => {
    const at = sit('answers');
    await at.shows('build:/build/src$');
    at.type('printf "\\033[6n"; exit\r');
    await until('the question', () => at.text.includes('\u001b[6n'));
    await until('the last question', () => at.text.includes('\u001b[5n'));
    // A terminal far away answers both; when it does, test/client/commands/terminal-answers.test.ts varies.
    at.type('\u001b[1;1Rrm -rf x\r');
    at.type('\u001b[0n');
    await at.shows('CODE 0');
    expect(await readBy(at)).toBe('typed');
  });

  it('that listens to nothing is left by Ctrl-] three times, and nothing of it goes on', async () => {
    const nap = uniqueSleep();
    const at = sit('deaf');
    await at.shows('build:/build/src$');
    at.type(`trap "" INT TERM HUP QUIT TSTP; stty -isig; sleep ${nap}\r`);
    await until('the sleep', async () => (await processesWith(nap)).length > 0);
    at.type('\u0003\u001a\u0004');
    at.type('\u001d\u001d\u001d');
    await at.shows('Ended. Nothing of it was kept.');
    await at.shows('CODE 1');
    expect(await readBy(at)).toBe('typed');
    expect(await processesWith(nap)).toEqual([]);
    expect(await at.file('after')).toBe(await at.file('before'));
  });

  it('gives the terminal back when it is ended from outside', async () => {
    const nap = uniqueSleep();
    const at = sit('killed');
    await at.shows('build:/build/src$');
    at.type(`sleep ${nap}\r`);
    await until('the sleep', async () => (await processesWith(nap)).length > 0);
    process.kill(Number(await at.file('pid')), 'SIGTERM');
    await at.shows('CODE 130');
    expect(await readBy(at)).toBe('typed');
    expect(await at.file('after')).toBe(await at.file('before'));
    expect(await processesWith(nap)).toEqual([]);
  });

  it('is refused in a sandbox that has no terminal, by the sandbox too', () => {
    const none = { keys: new PassThrough(), sizes: new PassThrough() };
    const job = { run: ['true'], env: {}, outputs: [], inputs: [], image: 'host' as const, terminal: none };
    const whole = { ...job, source: tarOf([]), limits: smallLimits };
    const tier = { tier: 'gvisor' as const, hostImage: true };
    expect(() => checkJob(whole, tier)).toThrow('the tier gvisor does not support a terminal');
    expect(() => checkJob(whole, { ...tier, tier: 'namespace' })).not.toThrow();
  });

  it.each(['vm', 'vm-emulated', 'gvisor'])('is refused in %s before that is looked at', async (tier) => {
    const refused = await person.inside(['try', '--shell', '--tier', tier], { cwd: dir });
    expect([refused.code, codeIn(refused.err)], refused.report).toEqual([3, 'TRY_NO_SHELL']);
    expect(refused.out).toBe('');
  });

  it.sequential('leaves nothing in the folder for temporary files', async () => {
    expect((await person.litter()).filter((name) => name.includes('try'))).toEqual([]);
  });

  it('needs a terminal, and nothing to vary', async () => {
    const without = await person.run(['try', '--shell'], { cwd: dir });
    expect([without.code, codeIn(without.err)]).toEqual([2, 'CLI_USAGE']);
    const both = await person.inside(['try', '--shell', '--vary'], { cwd: dir });
    expect([both.code, codeIn(both.err)]).toEqual([2, 'CLI_USAGE']);
  });
});
