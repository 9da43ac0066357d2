import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { CheckedBundles } from '../../../src/controller/sessions/checked-bundles.ts';
import { loadKey } from '../../../src/identity/keys.ts';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import {
  type Bundle,
  claimedStatementId,
  decodeBundle,
  encodeBundle,
  leaves as leafOf,
  makeVerdict,
  openMessage,
  openStatement,
  signStatement,
} from '../../../src/protocol/documents/index.ts';
import { formatCheckpoint, MerkleTree, signCheckpoint } from '../../../src/protocol/transparency/index.ts';
import { verifyBundle } from '../../../src/protocol/trust/index.ts';
import { jobFile } from '../../e2e/support/jobs.ts';
import { LocalCluster } from '../../e2e/support/local-cluster.ts';
import { until } from '../../e2e/support/wait.ts';
import { file, layoutOf, writeLayout } from '../../image/support.ts';
import { smallSystem } from '../../image/system.ts';

/** A real project whose trusted worker signs answers, the command of a hook, and whoever has the controller's key. */
let cluster: LocalCluster;
let image: string;
let out: string;
const runs: Record<'old' | 'newer', { run: string; url: string }> = {
  old: { run: '', url: '' },
  newer: { run: '', url: '' },
};

async function publish(url: string, ...options: string[]) {
  const node = await cluster.submit(url, '--ref', 'main', ...options);
  expect((await node.end()).code, node.report()).toBe(0);
  return node;
}

async function release(says: string) {
  const files = { 'say.sh': says, 'quorate.yaml': jobFile({ image, run: ['cat say.sh > "$OUT/say"'] }) };
  const url = await cluster.git.commit('tool', files);
  return { url, run: (await publish(url)).run };
}

/** Runs the hook's command once, for the newest run or for this one. */
const hook = (...again: string[]) =>
  cluster.cli([
    'on',
    'trusted',
    '--ref',
    'main',
    '--once',
    ...again,
    '--',
    'sh',
    '-c',
    `cat "$QUORATE_ARTIFACT/say" >> ${out}`,
  ]);
const published = () => readFile(out, 'utf8');

const bundleText = (run: string) =>
  readFile(join(cluster.projectDir, '.quorate', 'bundles', `${run}.json`), 'utf8');

/** Two releases, of which the hook published the newer one. */
async function start(): Promise<void> {
  cluster = await LocalCluster.start({ volunteers: ['ada', 'ben', 'cyd'], trusted: true });
  out = join(cluster.dir, 'published');
  const layout = await writeLayout(await layoutOf([smallSystem(), [file('usr/share/mark', 'x\n')]]));
  image = String((await cluster.cli(['image', 'import', layout])).lines.at(-1)?.image);
  runs.old = await release('VULNERABLE 1.0\n');
  runs.newer = await release('FIXED 1.1\n');
  expect((await hook()).code).toBe(0);
  expect(await published()).toBe('FIXED 1.1\n');
}

/** With the keys of controller and log: the old request rests on its own verdict, at the end of the log. */
async function selfAnswer(run: string): Promise<string> {
  const key = await loadKey(join(cluster.projectDir, '.quorate', 'controller.key'));
  const { inputs = [], ...own } = decodeBundle(await bundleText(run));
  const before = await openStatement('verdict', own.verdict, joseVerifier);
  const { project } = (await openMessage('charter', own.charter, joseVerifier)).payload;
  const { quorate_verdict: facts } = before.payload.predicate;
  const payload = makeVerdict({
    controller: key.id,
    time: before.payload.predicate.timeVerified,
    files: [],
    facts: {
      ...facts,
      receipts: [],
      earlier: { request: run, verdict: claimedStatementId(own.verdict) ?? '' },
    },
  });
  const verdict = await signStatement('verdict', payload, key.signer);
  const leaf = leafOf.verdict(verdict.id, facts.job);
  const lines = [...Array.from({ length: 5000 }, (_, n) => `x${n}`), leaf];
  const tree = new MerkleTree(lines);
  const note = formatCheckpoint({ project, size: tree.size, root: tree.root() });
  const forged: Bundle = {
    ...own,
    offers: [],
    receipts: [],
    verdict: verdict.raw,
    inputs: [own, ...inputs],
    checkpoint: await signCheckpoint(note, key.signer),
    entries: [{ leaf, index: lines.length - 1, path: tree.inclusion(lines.length - 1) }],
  };
  return encodeBundle(forged);
}

/** The controller serves this text as the bundle of a run. */
function serveAs(run: string, text: string): void {
  const { get, size } = CheckedBundles.prototype;
  CheckedBundles.prototype.get = function (which) {
    return which === run ? Promise.resolve(text) : get.call(this, which);
  };
  CheckedBundles.prototype.size = function (which) {
    return which === run ? Promise.resolve(text.length) : size.call(this, which);
  };
  onTestFinished(() => void Object.assign(CheckedBundles.prototype, { get, size }));
}

it('a hook does not go back to an old release that the controller gave a new place, and goes on to an answer that the trusted worker signed', async () => {
  await start();
  serveAs(runs.old.run, await selfAnswer(runs.old.run));
  const forged = await hook('--again', runs.old.run);
  expect(forged.code).not.toBe(0);
  // The controller's answer is refused; a worker that built the artifact has the older, honest evidence.
  expect(forged.report).toMatch(/EARLIER_OWN_REQUEST|HOOK_OLDER/);
  expect(await published()).toBe('FIXED 1.1\n');

  const again = await publish(runs.newer.url);
  const text = await until('the bundle is stored', () => bundleText(again.run).catch(() => undefined));
  const bundle = decodeBundle(text);
  const { facts } = await verifyBundle(bundle, { project: cluster.project }, joseVerifier);
  expect(facts).toMatchObject({ earlier: runs.newer.run, place: 'cosigned' });
  const { code, report } = await hook();
  expect(code, report).toBe(0);
  await release('BETTER 1.2\n');
  expect((await hook()).code).toBe(0);
  expect(await published()).toBe('FIXED 1.1\nFIXED 1.1\nBETTER 1.2\n');
});
