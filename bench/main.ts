// Measures what the product is to be fast at, each figure beside its reference in the same run:
// npm run bench [-- --only SUITE]. JSON lines on stdout, a table on stderr at the end.
import { constants, cpus } from 'node:os';
import { Bench, type Figure, removeFolders, type Suite, table } from './run.ts';

/** A further suite is a file here that exports `suite`, and a line in this list. */
const suites: Record<string, () => Promise<{ suite: Suite }>> = {
  mesh: () => import('./mesh.ts'),
  start: () => import('./start.ts'),
  transfer: () => import('./transfer.ts'),
  files: () => import('./files.ts'),
  diff: () => import('./diff.ts'),
  page: () => import('./page.ts'),
  rounds: () => import('./rounds.ts'),
  sustained: () => import('./sustained.ts'),
  growth: () => import('./growth.ts'),
  history: () => import('./history.ts'),
  'lost-bundles': () => import('./lost-bundles.ts'),
  documents: () => import('./documents.ts'),
  pipeline: () => import('./pipeline.ts'),
  sandbox: () => import('./sandbox.ts'),
  images: () => import('./images.ts'),
  dependencies: () => import('./dependencies.ts'),
  peers: () => import('./peers.ts'),
  prices: () => import('./prices.ts'),
};

const signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM'];

/** Ends a suite that takes too long, or that is to end. `code` is what to exit with. */
function stopping(suite: string, secondsMax: number): { code: Promise<number>; forget(): void } {
  const { promise, resolve } = Promise.withResolvers<number>();
  const end = (why: string, code: number): void => {
    process.stderr.write(`${suite}: ${why}\n`);
    resolve(code);
  };
  const limit = setTimeout(() => end(`not done after ${secondsMax} s`, 1), secondsMax * 1000);
  const onSignal = (signal: NodeJS.Signals): void =>
    end(`ended by ${signal}`, 128 + constants.signals[signal]);
  for (const signal of signals) process.once(signal, onSignal);
  return {
    code: promise,
    forget() {
      clearTimeout(limit);
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}

async function main(args: string[]): Promise<number> {
  const usage = `usage: npm run bench [-- --only ${Object.keys(suites).join('|')}...]\n`;
  if (args.includes('--help')) {
    process.stdout.write(usage);
    return 0;
  }
  const only = args[0] === '--only' ? args.slice(1) : [];
  if (only.some((name) => !Object.hasOwn(suites, name)) || (args.length > 0 && only.length === 0)) {
    process.stderr.write(usage);
    return 2;
  }
  process.stderr.write(`node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}\n`);
  const figures: Figure[] = [];
  for (const name of only.length > 0 ? only : Object.keys(suites)) {
    const loaded = await suites[name]?.();
    if (loaded === undefined) continue;
    const { suite } = loaded;
    process.stderr.write(`${name}: ${suite.what}\n`);
    const bench = new Bench(name);
    const stop = stopping(name, suite.secondsMax);
    try {
      const code = await Promise.race([suite.run(bench), stop.code]);
      if (code !== undefined) return code;
    } finally {
      stop.forget();
      await bench.close();
    }
    figures.push(...bench.figures);
  }
  process.stderr.write(`\n${table(figures)}\n`);
  return 0;
}

let code: number;
try {
  code = await main(process.argv.slice(2));
} finally {
  await removeFolders();
}
// A suite that was ended may still wait for something.
if (code !== 0) process.exit(code);
