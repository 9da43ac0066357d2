/**
 * `npm run demo`: a whole network on this machine, every node a process of its own, that builds this repository's own
 * commit, catches the one who tampers, and fetches the artifact from volunteers after the controller is gone.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { asQuorateError, errorJson, errorText } from '../../src/cli/errors.ts';
import { bytes, duration, shortId } from '../../src/cli/format.ts';
import { Output } from '../../src/cli/output.ts';
import { ProgressView } from '../../src/cli/progress.ts';
import { differences, evidenceSpread, fetchFresh, publish, runArtifact } from './acts.ts';
import { trusted } from './cast.ts';
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

async function play(scene: Scene, out: Output, json: boolean): Promise<void> {
  const { bold, green, red, dim } = out.colours;
  const [source, bootstrap] = await Promise.all([scene.serveSource(), scene.bootstrap()]);
  if (source.dirty)
    out.say(dim(`(uncommitted changes are not built: this is HEAD, ${source.commit.slice(0, 12)})`));
  const { node: controller, project, repo } = await scene.controller(source.host, bootstrap);
  await scene.workers(controller, repo);

  out.say('', bold(`Building this repository at ${source.commit.slice(0, 12)}`));
  const view = new ProgressView(out.board(), out.colours);
  const verdict = await publish(scene, repo, source.url, (at, progress) => view.show(at, progress));
  view.end();
  const { artifact, agreed, dissent, level } = verdict;
  if (level !== 'trusted') throw new Error(`the verdict is "${level}", not "trusted"`);
  await evidenceSpread(
    scene,
    agreed.map(({ operator }) => operator),
    artifact,
  );
  await controller.stop();

  out.say('', bold('The controller is stopped. A newcomer fetches the artifact'));
  const bundle = join(root, '.demo', `${artifact.slice(0, 7)}-${artifact.slice(-8)}.bundle.json`);
  const got = await fetchFresh(scene, { artifact, project, bootstrap, bundle });
  const kept = bundle.slice(0, -'.bundle.json'.length);
  rmSync(kept, { recursive: true, force: true });
  cpSync(got.folder, kept, { recursive: true, verbatimSymlinks: true });
  out.say(`  from      ${got.providers.map(shortId).join(', ')}`);
  out.say(`  proof     ${got.steps} steps checked offline, from the root key alone`);
  out.say(`  got       ${bytes(got.bytes)} in ${duration(got.ms)}`);
  const version = await runArtifact(scene, got.folder);
  out.say(`  ${dim('$')} bin/quorate.js --version`, `  ${version}`, '');
  out.say(bold('Who built what'));
  for (const { operator, result } of agreed)
    out.say(`  ${green('same')}      ${operator.padEnd(8)} ${result}`);
  for (const { operator, worker, result } of dissent) {
    out.say(`  ${red('differs')}   ${operator.padEnd(8)} ${result}`);
    for (const difference of await differences(bundle, worker))
      out.say(red(`                     ${difference}`));
  }
  out.say(`  ${green('co-signed')} ${trusted}, whose trusted worker built the same`, '');
  out.say(
    `${bold(green('trusted'))} ${artifact}`,
    dim(
      `dispatched in ${duration(verdict.dispatch)}, built in ${duration(verdict.build)}, trusted after ${duration(verdict.toTrusted)}`,
    ),
    `It stays here, with its evidence: ${relative(process.cwd(), kept)}`,
    `Check it again: node bin/quorate.js verify ${relative(process.cwd(), kept)} --bundle ${relative(process.cwd(), bundle)} --project ${project}`,
  );
  if (!json) return;
  const { dispatch, build, toTrusted } = verdict;
  const outcome = {
    job: verdict.job,
    artifact,
    level,
    agree: agreed.length,
    of: verdict.of,
    cosigned: verdict.cosigned,
    dissent: dissent.map(({ worker, result }) => ({ worker, artifact: result })),
    fetched: true,
    bundle,
    ms: { dispatch, build, toTrusted, fetch: got.ms },
  };
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
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
    await Promise.race([play(scene, out, options.json), interrupted, scene.processes.broken]);
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
