import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, describe, expect, it } from 'vitest';
import { nativeProgram } from '../../../sandbox/native/index.ts';
import { type ProgramToStart, Spawner, type StartedProgram } from '../../../sandbox/native/spawner.ts';
import { runNative } from './support.ts';

const native = nativeProgram();
const spawner = new Spawner(native ?? '');
afterAll(() => spawner.close());

const start = (words: string[], streams = 3, more: Partial<ProgramToStart> = {}): StartedProgram =>
  spawner.start({ words, folder: '/', ...more }, streams);

const stream = ({ streams }: StartedProgram, fd: number): Duplex => {
  const found = streams[fd];
  if (found === undefined) throw new Error(`no stream ${fd}`);
  return found;
};

/** Letter of the state of a process (proc_pid_stat(5)); 'gone' where there is none. */
function stateOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.[0] ?? '';
  } catch {
    return 'gone';
  }
}
const isOver = (pid: string): unknown => expect.poll(() => stateOf(pid)).toMatch(/gone|Z/);

describe.skipIf(native === undefined)('a program started by the native one', () => {
  it('has its streams, folder and environment, and no other descriptor', async () => {
    const script = 'cat; echo $A; pwd; echo err >&2; echo four >&4; ls /proc/$$/fd; exit 7';
    const program = start(['/bin/sh', '-c', script], 5, { folder: '/usr', variables: { A: 'a b' } });
    stream(program, 0).end('given\n');
    const said = await Promise.all([1, 2, 4].map((fd) => text(stream(program, fd))));
    expect(said).toEqual(['given\na b\n/usr\n0\n1\n2\n3\n4\n', 'err\n', 'four\n']);
    expect(await program.ended).toEqual({ code: 7 });
  });

  it('is one of many, more than one process of the native program has streams for', async () => {
    const programs = Array.from({ length: 100 }, (_, n) => start(['/bin/echo', String(n)]));
    const said = await Promise.all(programs.map((program) => text(stream(program, 1))));
    expect(said).toEqual(said.map((_, n) => `${n}\n`));
    for (const { ended } of programs) expect(await ended).toEqual({ code: 0 });
  });

  it('shares a process of the native program as long as that has streams for it', async () => {
    const own = new Spawner(native ?? '');
    const programs = Array.from({ length: 41 }, () =>
      own.start({ words: ['/bin/sh', '-c', 'echo $PPID'], folder: '/' }, 3),
    );
    const parents = await Promise.all(programs.map((program) => text(stream(program, 1))));
    own.close();
    expect(new Set(parents.slice(0, 40)).size).toBe(1);
    expect(parents[40]).not.toBe(parents[39]);
  });

  it('keeps its process alive, which ends by itself after it', async () => {
    const script = `
      const { Spawner } = await import(${JSON.stringify(new URL('../../../sandbox/native/spawner.ts', import.meta.url))});
      const { streams, ended } = new Spawner(${JSON.stringify(native)}).start({ words: ['/bin/sh', '-c', 'read a; exit 7'], folder: '/' }, 3);
      ended.then(({ code }) => process.stdout.write('ended ' + code));
      setTimeout(() => streams[0].end('go\\n'), 50);`;
    const asks = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const over = once(asks, 'exit');
    expect(await text(asks.stdout)).toBe('ended 7');
    expect(await over).toEqual([0, null]);
  });

  it('is killed, and what it has started with it where it has a session of its own', async () => {
    const alone = start(['/bin/sleep', '100']);
    alone.kill();
    expect(await alone.ended).toEqual({ code: null });
    const leader = start(['/bin/sh', '-c', 'sleep 100 & echo $!; wait'], 3, { group: true });
    const [pid] = (await once(stream(leader, 1), 'data')) as [Buffer];
    leader.kill();
    expect(await leader.ended).toEqual({ code: null });
    await isOver(String(pid).trim());
  });

  it('does not outlive the process that asked for it, however that ends', async () => {
    const script = `
      const { Spawner } = await import(${JSON.stringify(new URL('../../../sandbox/native/spawner.ts', import.meta.url))});
      const { streams } = new Spawner(${JSON.stringify(native)}).start({ words: ['/bin/sh', '-c', 'echo $$; exec sleep 100'], folder: '/' }, 3);
      streams[1].on('data', (pid) => process.stdout.write(pid));`;
    const asks = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [pid] = (await once(createInterface({ input: asks.stdout }), 'line')) as [string];
    expect(stateOf(pid)).toMatch(/[RSD]/);
    asks.kill('SIGKILL');
    await isOver(pid);
  });

  it('ends with the native one, which is told as the end of the program', async () => {
    const own = new Spawner(native ?? '');
    const program = own.start({ words: ['/bin/sh', '-c', 'echo $PPID; exec cat'], folder: '/' }, 3);
    const [parent] = (await once(stream(program, 1), 'data')) as [Buffer];
    process.kill(Number(parent), 'SIGKILL');
    expect(await program.ended).toEqual({ code: null });
    const next = own.start({ words: ['/bin/echo', 'again'], folder: '/' }, 3);
    expect(await text(stream(next, 1))).toBe('again\n');
    own.close();
  });

  it('is refused with a code where no descriptor is left, as git is, and its process goes on', async () => {
    const at = (path: string) => JSON.stringify(new URL(`../../../${path}`, import.meta.url));
    const script = `
      const { openSync } = await import('node:fs');
      const { Spawner } = await import(${at('sandbox/native/spawner.ts')});
      const { run } = await import(${at('src/source/git.ts')});
      try { for (let n = 0; n < 1000; n++) openSync('/dev/null'); } catch {}
      const tries = [
        async () => new Spawner(${JSON.stringify(native)}).start({ words: ['/bin/true'], folder: '/' }, 3),
        () => run(['git', 'version'], { cwd: '/' }),
      ];
      const codes = [];
      for (const act of tries) codes.push(await act().then(() => 'none', ({ code, message }) => code ?? message));
      setTimeout(() => process.stdout.write(codes.join(' ')), 100);`;
    const words = ['--nofile=200', process.execPath, '--input-type=module-typescript', '-e', script];
    const limited = spawn('prlimit', words, { stdio: ['ignore', 'pipe', 'inherit'] });
    expect(await text(limited.stdout)).toBe('SANDBOX_FAILED SOURCE_GIT_MISSING');
  });

  it('that cannot be executed says so on its stream 2', async () => {
    const program = start(['/nothing/there']);
    expect(await text(stream(program, 2))).toBe(
      'quorate: cannot execute /nothing/there: No such file or directory\n',
    );
    expect(await program.ended).toEqual({ code: 125 });
    expect(() => start(['/bin/echo', 'a\0b'])).toThrow('a word of a command holds a zero byte');
  });
});

describe.skipIf(native === undefined)('requests that no worker writes', () => {
  const request = (...numbers: number[]): Buffer => {
    const bytes = Buffer.alloc(numbers.length * 4);
    for (const [index, number] of numbers.entries()) bytes.writeUInt32LE(number >>> 0, index * 4);
    return bytes;
  };
  const strings = (...texts: string[]): Buffer => Buffer.from(texts.map((text) => `${text}\0`).join(''));
  const most = 0xffff_ffff;
  const hostile: [string, Buffer, number][] = [
    ['none', Buffer.alloc(0), 0],
    ['half a number', Buffer.alloc(2), 0],
    ['one that is cut off', request(100, 0, 1), 0],
    ['one of no bytes', request(0), 125],
    ['one of too many', request(most), 125],
    ['of an unknown kind', request(12, 7, 1, 9), 125],
    ['a kill of nothing', request(12, 1, 5, 9), 0],
    ['a kill with more to say', request(16, 1, 5, 9, 9), 125],
    ['a start without words', request(28, 0, 1, 0, 3, 1, 0, 0), 0],
    [
      'a start with more words than there are',
      Buffer.concat([request(31, 0, 1, 0, 3, 1, 9, 0), strings('/', '')]),
      0,
    ],
    ['a start with very many words', request(28, 0, 1, 0, 3, 1, most, most), 0],
    [
      'a start whose last word has no end',
      Buffer.concat([request(33, 0, 1, 0, 3, 1, 1, 0), Buffer.from('/\0abc')]),
      0,
    ],
    [
      'a start on its own descriptors',
      Buffer.concat([request(32, 0, 1, 0, 0, 3, 1, 0), strings('/', 'a')]),
      0,
    ],
    [
      'a start on descriptors there are not',
      Buffer.concat([request(32, 0, 1, 0, 2000, 3, 1, 0), strings('/', 'a')]),
      0,
    ],
    [
      'a start with too many descriptors',
      Buffer.concat([request(32, 0, 1, 0, 3, most, 1, 0), strings('/', 'a')]),
      0,
    ],
  ];
  it.each(hostile)('%s', (_, bytes, code) => {
    const ran = runNative(['serve', '3'], bytes);
    expect([ran.signal, ran.code]).toEqual([null, code]);
  });
});
