import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { processorMs } from '../test/e2e/support/proc-files.ts';
import makeProgram from '../test/support/make-program.ts';
import { programFolder, quietFlag } from '../test/support/program.ts';

import { type Bench, inTurn, type Suite, seconds } from './run.ts';

const run = promisify(execFile);
const rounds = 5;
const helpMsMax = 150;

/** The same program twice: as a package has it, and as a checkout runs it. */
const programs = {
  packed: join(programFolder, 'quorate.js'),
  sources: join(import.meta.dirname, '..', 'src', 'cli', 'main.ts'),
};

/** Seconds of processor time until a controller of a new project listens. */
async function controllerStarts(program: string, cwd: string, env: NodeJS.ProcessEnv): Promise<number> {
  const args = [quietFlag, program, 'controller', '--listen', '/ip4/127.0.0.1/tcp/0', '--json'];
  const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    for await (const line of createInterface({ input: child.stdout }))
      if (line.includes('"addresses"')) return (await processorMs(child.pid ?? 0)) / 1000;
    throw new Error('the controller ended before it listened');
  } finally {
    const ended = once(child, 'exit');
    child.kill('SIGINT');
    await ended;
  }
}

async function suiteRun(bench: Bench): Promise<void> {
  makeProgram();
  const dir = await bench.folder();
  const env = { ...process.env, QUORATE_HOME: join(dir, 'home'), NODE_COMPILE_CACHE: join(dir, 'compiled') };
  const quorate = (program: string, ...args: string[]): Promise<unknown> =>
    run(process.execPath, [quietFlag, program, ...args], { cwd: dir, env });
  await run('git', ['init', '--quiet', dir]);
  await quorate(programs.packed, 'init', '--vcs', '127.0.0.1:9418');
  const { node, packed, sources } = await inTurn(rounds, {
    node: () => seconds(() => run(process.execPath, ['--eval', '0'])),
    packed: () => seconds(() => quorate(programs.packed, '--help')),
    sources: () => seconds(() => quorate(programs.sources, '--help')),
  });
  const beside = ['ms, Node alone', node.warm * 1000] as const;
  bench.figure('quorate --help, packed', packed.warm * 1000, 'ms', { beside });
  bench.figure('the same, beside the aim', packed.warm * 1000, 'ms', { under: helpMsMax });
  bench.figure('quorate --help, from sources', sources.warm * 1000, 'ms', { beside });
  const controller = await inTurn(rounds, {
    packed: () => controllerStarts(programs.packed, dir, env),
    sources: () => controllerStarts(programs.sources, dir, env),
  });
  bench.figure('processor time until a controller listens, packed', controller.packed.warm * 1000, 'ms', {
    beside: ['ms, from sources', controller.sources.warm * 1000],
  });
}

export const suite: Suite = {
  what: 'a short command and a controller start, as packed and from sources',
  secondsMax: 120,
  run: suiteRun,
};
