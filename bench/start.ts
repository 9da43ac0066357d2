import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Bench, inTurn, type Suite, seconds } from './run.ts';

const rounds = 11;
const exec = promisify(execFile);
const quorate = join(import.meta.dirname, '..', 'bin', 'quorate.js');

async function run(bench: Bench): Promise<void> {
  const node = (...args: string[]) => seconds(() => exec(process.execPath, args));
  const { help, bare } = await inTurn(rounds, {
    help: () => node(quorate, '--help'),
    bare: () => node('-e', '0'),
  });
  const value = help.warm * 1000;
  bench.figure('quorate --help', value, 'ms', {
    reference: { name: 'ms, node -e 0', value: bare.warm * 1000 },
  });
  bench.figure('quorate --help, by itself', value, 'ms', { aim: { under: 150 } });
}

export const suite: Suite = {
  what: 'a process that starts, says something and ends',
  secondsMax: 60,
  run,
};
