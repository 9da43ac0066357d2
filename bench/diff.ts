import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { pack } from 'tar-stream';
import { openStore, type Store } from '../src/store/index.ts';
import { diffTrees } from '../src/store/tree-diff.ts';
import makeProgram from '../test/support/make-program.ts';
import { programFolder, quietFlag } from '../test/support/program.ts';
import { type Bench, inTurn, type Suite, seconds } from './run.ts';

const files = 100_000;
const rounds = 5;
const msMax = 200;
const run = promisify(execFile);

/** Names of the files: in folders of a hundred each, or in one folder. */
const layouts = {
  'in 1,000 folders': (n: number) => `d${n % 10}/e${Math.floor(n / 10) % 100}/f${n}`,
  'in one folder': (n: number) => `f${n}`,
};

/** Imports a tree of small files that differ from each other, one of which says `changed`. */
async function imported(store: Store, name: (n: number) => string, changed: string): Promise<string> {
  const tar = pack();
  const importing = store.importTar(Readable.from(tar, { objectMode: false }), { into: store.public });
  for (let n = 0; n < files; n += 1) tar.entry({ name: name(n) }, n === files / 2 ? changed : `file ${n}\n`);
  tar.finalize();
  return (await importing).root;
}

async function suiteRun(bench: Bench): Promise<void> {
  makeProgram();
  const home = await bench.folder();
  const dir = join(home, 'store');
  await mkdir(dir);
  const roots: Record<string, [a: string, b: string]> = {};
  const filled = await openStore({ dir });
  for (const [layout, name] of Object.entries(layouts)) {
    const pair: [string, string] = [await imported(filled, name, 'one'), await imported(filled, name, 'two')];
    await filled.pin(pair, 'bench');
    roots[layout] = pair;
  }
  await filled.close();
  for (const [layout, [a, b]] of Object.entries(roots)) {
    let found = 0;
    // Opened anew each time: what the first comparison read is read again from the disk.
    const compare = async (): Promise<number> => {
      const store = await openStore({ dir });
      try {
        return await seconds(async () => {
          for await (const _ of diffTrees(store.tree(a), store.tree(b))) found += 1;
        });
      } finally {
        await store.close();
      }
    };
    const program = join(programFolder, 'quorate.js');
    const words = ['diff', a, b, '--home', home, '--no-diffoscope', '--json'];
    const command = (...args: string[]) =>
      seconds(() =>
        run(process.execPath, [quietFlag, program, ...args]).catch(
          (error) => error.code === 1 || Promise.reject(error),
        ),
      );
    const { compared, whole, version } = await inTurn(rounds, {
      compared: compare,
      whole: () => command(...words),
      version: () => command('version'),
    });
    if (found !== rounds + 1) throw new Error(`${found} differences in ${rounds + 1} rounds`);
    const name = `two trees of 100,000 files ${layout}, one changed`;
    bench.figure(name, compared.warm * 1000, 'ms', { under: msMax });
    bench.figure(`the same, for the first time`, compared.cold * 1000, 'ms', { under: msMax });
    bench.figure('quorate diff of them', whole.warm * 1000, 'ms', {
      beside: ['ms, quorate version', version.warm * 1000],
    });
  }
}

export const suite: Suite = {
  what: 'two trees of 100,000 files of which one file differs, compared',
  secondsMax: 600,
  run: suiteRun,
};
