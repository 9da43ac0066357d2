/**
 * `npm run demo`: this repository's own commit is built, the one who tampers is caught, and the artifact is fetched from
 * volunteers after the controller is gone.
 */
import { cpSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ProgressView } from '../../src/client/commands/progress.ts';
import { bytes, duration, shortId } from '../../src/terminal/format.ts';
import type { Output } from '../../src/terminal/output.ts';
import { differences, evidenceSpread, fetchFresh, publish, runArtifact } from './acts.ts';
import { tamperer, trusted, volunteer } from './cast.ts';
import { root, type Scene } from './scene.ts';

export async function playBuild(scene: Scene, out: Output, json: boolean): Promise<void> {
  const { bold, green, red, dim } = out.colours;
  const source = await scene.ownRepository();
  const [{ url, host }, bootstrap] = await Promise.all([scene.serveSource(source.bare), scene.bootstrap()]);
  if (source.dirty)
    out.say(dim(`(uncommitted changes are not built: this is HEAD, ${source.commit.slice(0, 12)})`));
  const to = await scene.controller('quorate', host, bootstrap);
  const { project, repo } = to;
  await scene.join(to, [...['alice', 'bob'].map(volunteer), tamperer('mallory'), trusted]);

  out.say('', bold(`Building this repository at ${source.commit.slice(0, 12)}`));
  const view = new ProgressView(out.board(), out.colours);
  const verdict = await publish(scene, repo, url, (...told) => view.show(...told));
  view.end();
  const { artifact, agreed, dissent, level } = verdict;
  if (level !== 'trusted') throw new Error(`the verdict is "${level}", not "trusted"`);
  await evidenceSpread(
    scene,
    agreed.map(({ operator }) => operator),
    artifact,
  );
  await to.node.stop();

  out.say('', bold('The controller is stopped. A newcomer fetches the artifact'));
  const bundle = join(root, '.demo', `${artifact.slice(0, 7)}-${artifact.slice(-8)}.bundle.json`);
  const got = await fetchFresh(scene, { artifact, project, bootstrap, bundle });
  const kept = bundle.slice(0, -'.bundle.json'.length);
  rmSync(kept, { recursive: true, force: true });
  cpSync(got.folder, kept, { recursive: true, verbatimSymlinks: true });
  out.say(`  from      ${got.providers.map(shortId).join(', ')}`);
  out.say(`  proof     ${got.steps} steps verified, from the root key alone: ${green('trusted')}`);
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
  out.say(`  ${green('co-signed')} ${trusted.operator}, whose trusted worker built the same`, '');
  out.say(
    `${bold(green('trusted (verified)'))} ${artifact}`,
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
