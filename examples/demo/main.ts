/**
 * `npm run demo`: a whole network on this machine, every node a process of its own. It plays build.ts or, with the word
 * `self`, `pipeline` or `forge`, the file of that name.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { asQuorateError, errorJson, errorText } from '../../src/terminal/errors.ts';
import { Output } from '../../src/terminal/output.ts';
import { playBuild } from './build.ts';
import { playForge } from './forge.ts';
import { playPipeline } from './pipeline.ts';
import { root, Scene } from './scene.ts';
import { playSelf } from './self.ts';

const plays = { build: playBuild, self: playSelf, pipeline: playPipeline, forge: playForge };
/** Measured on two processors, idle and with as much else to do again. */
const lasts = {
  build: 'nine processes; it takes 1 to 3 minutes',
  self: 'nine processes, 8 GB of memory; it takes 5 to 20 minutes',
  pipeline: 'eleven processes; it takes 2 to 5 minutes',
  forge: "eleven processes and Debian's pagure; it takes 2 to 5 minutes",
};
const isPlay = (name: string): name is keyof typeof plays => Object.hasOwn(plays, name);

const usage = `usage: npm run demo -- [self|pipeline|forge] [--json] [--keep]
  self      this repository's own commit is built, and tested on the packages of its lock file
  pipeline  build, tests and package of a C project: ahead of a slow trusted worker, then against a majority that tampers
  forge     a push to Debian's pagure, from the webhook to the flag of the commit; a stranger's pull request. Installs the
            packages pagure and redis-server, with 125 others (100 MB), unless they are there
            (without it: this repository's own commit is built, and one of three tampers)
${Object.entries(lasts)
  .map(([play, says]) => `            ${play}: ${says}\n`)
  .join('')}  --json    progress on standard error, the outcome as one line of JSON at the end
  --keep    leave the folders of all nodes in .demo/ for a look
`;

interface Options {
  play: keyof typeof plays;
  json: boolean;
  keep: boolean;
}

function readOptions(): Options | undefined {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        json: { type: 'boolean' },
        keep: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) return undefined;
    const [play = 'build', ...more] = positionals;
    if (more.length > 0 || !isPlay(play))
      throw new Error(`demo: "${more[0] ?? play}" is not something that it can show`);
    return { play, json: values.json ?? false, keep: values.keep ?? false };
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
  out.say(out.colours.dim(`On this machine: ${lasts[options.play]}, and longer where it is busy.`));
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
  // The processes of the demo end with this one, however it ends.
  process.on('exit', () => scene.processes.killAll());

  try {
    await Promise.race([plays[options.play](scene, out, options.json), interrupted, scene.processes.broken]);
    return 0;
  } catch (error) {
    if (interrupts > 0) {
      out.note('demo: stopped');
      return 130;
    }
    const known = asQuorateError(error);
    process.stderr.write(errorText(known));
    if (options.json) process.stdout.write(errorJson(known));
    return known.code === 'CLI_INTERNAL_ERROR' || known.code === 'DEMO_STORY_INCOMPLETE' ? 1 : 3;
  } finally {
    await scene.processes.stopAll();
    if (options.keep) out.say(`The folders of all nodes: ${relative(process.cwd(), dir)}`);
    else rmSync(dir, { recursive: true, force: true });
  }
}

process.exit(await main());
