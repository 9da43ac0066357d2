/**
 * `npm run demo`: a whole network on this machine, every node a process of its own, that builds this repository's own
 * commit, catches the one who tampers, and fetches the artifact from volunteers after the controller is gone.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { asQuorateError, errorJson, errorText } from '../../src/cli/errors.ts';
import { Output } from '../../src/cli/output.ts';
import { playBuild } from './build.ts';
import { root, Scene } from './scene.ts';

const usage = `usage: npm run demo -- [--json] [--keep]
  --json  progress on standard error, the outcome as one line of JSON at the end
  --keep  leave the folders of all nodes in .demo/ for a look
`;

function readOptions(): { json: boolean; keep: boolean } | undefined {
  try {
    const { values } = parseArgs({
      options: {
        json: { type: 'boolean' },
        keep: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) return undefined;
    return { json: values.json ?? false, keep: values.keep ?? false };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n${usage}`);
    process.exit(2);
  }
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined) {
    process.stdout.write(usage);
    return 0;
  }
  const sink = options.json ? process.stderr : process.stdout;
  const colour = sink.isTTY === true && !process.env.NO_COLOR;
  const out = new Output(sink, process.stderr, { json: false, colour });
  mkdirSync(join(root, '.demo'), { recursive: true });
  const dir = mkdtempSync(join(root, '.demo', 'run-'));
  const began = performance.now();
  const scene = new Scene(dir, (what, detail) => {
    const seconds = ((performance.now() - began) / 1000).toFixed(1).padStart(5);
    out.say(`${out.colours.dim(`${seconds} s`)}  ${what.padEnd(14)}  ${detail}`);
  });

  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  let interrupts = 0;
  const onInterrupt = () => {
    interrupts++;
    if (interrupts > 1) {
      scene.processes.killAll();
      if (!options.keep) rmSync(dir, { recursive: true, force: true });
      process.exit(130);
    }
    reject(new Error('interrupted'));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onInterrupt);
  // Whatever ends this process takes the others along.
  process.on('exit', () => scene.processes.killAll());

  try {
    await Promise.race([playBuild(scene, out, options.json), interrupted, scene.processes.broken]);
    return 0;
  } catch (error) {
    if (interrupts > 0) {
      out.note('demo: stopped');
      return 130;
    }
    const known = asQuorateError(error);
    process.stderr.write(errorText(known));
    if (options.json) process.stdout.write(errorJson(known));
    return known.code === 'CLI_INTERNAL_ERROR' ? 1 : 3;
  } finally {
    await scene.processes.stopAll();
    if (options.keep) out.say(`The folders of all nodes: ${relative(process.cwd(), dir)}`);
    else rmSync(dir, { recursive: true, force: true });
  }
}

process.exit(await main());
