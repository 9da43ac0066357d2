import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { commandLine } from '../e2e/support/inside.ts';
import { scratchSync } from '../e2e/support/processes.ts';
import { caches } from '../support/caches.ts';
import { checkJsonLine } from '../support/json-outputs.ts';
import { quorateWords } from '../support/program.ts';

const secondsMax = 240;

export interface Ending {
  code: number | null;
  out: string;
  err: string;
}

export interface Where {
  cwd?: string;
  env?: Record<string, string>;
}

/** Of the file of tests that runs. */
let made = '';

/** The folder of all that a file of tests makes, whose end removes it. */
function root(): string {
  if (!existsSync(made)) made = scratchSync();
  return made;
}

/** A folder of its own, removed when the file's tests are over. */
export function folder(name = 'f-'): string {
  return mkdtempSync(join(root(), name));
}

/** An empty git repository, whoever runs the tests. */
export function repository(): string {
  const dir = folder('repo-');
  execFileSync('git', ['init', '--quiet', dir], { timeout: 120_000 });
  return dir;
}

/** The real command line as a process; nothing of the caller's environment but the path. */
export function start(args: readonly string[], { cwd = root(), env = {} }: Where = {}): ChildProcess {
  const [node, ...program] = quorateWords;
  return spawn(node, [...program, ...args], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: secondsMax * 1000,
    env: {
      PATH: process.env.PATH ?? '',
      QUORATE_HOME: join(root(), 'home'),
      ...caches,
      ...env,
    },
  });
}

export function ending(child: ChildProcess): Promise<Ending> {
  return new Promise((resolve, reject) => {
    let out = '';
    let err = '';
    child.stdout?.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr?.on('data', (chunk) => {
      err += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

/** The command line as a process. */
export async function quorateProcess(args: readonly string[], where?: Where): Promise<Ending> {
  const ended = await ending(start(args, where));
  if (args.includes('--json')) checkJson(args, ended.out);
  return ended;
}

/** The same in the process of the tests, a hundredth of the processor's time: for what is about answers. */
export async function quorate(
  args: readonly string[],
  { cwd = root(), env = {} }: Pick<Where, 'cwd'> & { env?: { QUORATE_HOME?: string } } = {},
): Promise<Ending> {
  const ended: Ending = { code: null, out: '', err: '' };
  const tell = {
    out: (text: string) => {
      ended.out += text;
    },
    err: (text: string) => {
      ended.err += text;
    },
  };
  const place = { cwd, env: { ...process.env, QUORATE_HOME: join(root(), 'home'), ...env } };
  ended.code = await commandLine(args, place, tell, AbortSignal.timeout(secondsMax * 1000));
  if (args.includes('--json')) checkJson(args, ended.out);
  return ended;
}

/** Lines of a terminal's text, as of --help, are none of --json. */
function checkJson(args: readonly string[], out: string): void {
  const words = args.filter((arg) => arg !== '--json');
  for (const line of out.split('\n').filter((one) => /^[[{]/.test(one)))
    checkJsonLine(words, JSON.parse(line));
}
