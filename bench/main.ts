// Measures what the product is to be fast at, each figure beside its reference in the same run:
// npm run bench [-- --only SUITE]. JSON lines on stdout, a table on stderr at the end.
import { cpus } from 'node:os';
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
  documents: () => import('./documents.ts'),
  pipeline: () => import('./pipeline.ts'),
  sandbox: () => import('./sandbox.ts'),
  images: () => import('./images.ts'),
  dependencies: () => import('./dependencies.ts'),
  peers: () => import('./peers.ts'),
};

async function main(args: string[]): Promise<number> {
  const only = args[0] === '--only' ? args.slice(1) : [];
  const unknown = only.find((name) => !(name in suites));
  if (unknown !== undefined || (args.length > 0 && only.length === 0)) {
    process.stderr.write(`usage: npm run bench [-- --only ${Object.keys(suites).join('|')}]\n`);
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
    const limit = setTimeout(() => {
      process.stderr.write(`${name}: not done after ${suite.secondsMax} s\n`);
      void bench
        .close()
        .then(removeFolders)
        .finally(() => process.exit(1));
    }, suite.secondsMax * 1000);
    try {
      await suite.run(bench);
    } finally {
      clearTimeout(limit);
      await bench.close();
    }
    figures.push(...bench.figures);
  }
  process.stderr.write(`\n${table(figures)}\n`);
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} finally {
  await removeFolders();
}
