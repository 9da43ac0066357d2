// Starts a controller in a process of its own, and says what it takes.
import { readFile } from 'node:fs/promises';
import v8 from 'node:v8';
import vm from 'node:vm';
import { type ControllerNode, startController } from '../src/controller/node/node.ts';
import { joseVerifier } from '../src/identity/verifier.ts';
import { openProjectFolder } from '../src/owner/project-folder.ts';
import { decodeBundle } from '../src/protocol/documents/index.ts';
import { verifyBundle } from '../src/protocol/trust/index.ts';
import { answer } from './run.ts';

export interface AtStart {
  seconds: number;
  /** After a collection. */
  residentMb: number;
  heapMb: number;
  /** The most that was resident. */
  peakMb: number;
  /** Until the bundle of one of its jobs was there and verified. */
  askedMs: number;
}

export interface MadeAgain {
  count: number;
  peakMb: number;
}

const [repo = ''] = process.argv.slice(2);
v8.setFlagsFromString('--expose_gc');
const collect = vm.runInNewContext('gc') as () => void;
let node: ControllerNode | undefined;
const there = Promise.withResolvers<number>();

async function peakMb(): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) / 1000;
}

async function start(): Promise<AtStart> {
  const folder = await openProjectFolder(repo);
  const began = performance.now();
  let missing = false;
  node = await startController({
    folder,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    announce: [],
    bootstrap: [],
    // Its members are nowhere.
    alone: true,
    onEvent({ kind, level, data }) {
      if (kind !== 'bundle') return;
      if (level === 'warn') missing = true;
      else there.resolve(Number(data?.runs));
    },
    onRekeyed() {},
    onFailure: (error) => there.reject(error),
  });
  const seconds = (performance.now() - began) / 1000;
  if (!missing) there.resolve(0);
  collect();
  const { rss, heapUsed } = process.memoryUsage();
  const peak = await peakMb();
  const asked = performance.now();
  const text = await node.view.bundle(node.view.verdicts().at(-1)?.request ?? '');
  const verified = await verifyBundle(decodeBundle(text ?? ''), { project: folder.project }, joseVerifier);
  if (!verified.ok || verified.level !== 'trusted') throw new Error(`it is ${JSON.stringify(verified)}`);
  const askedMs = performance.now() - asked;
  return { seconds, residentMb: rss / 1e6, heapMb: heapUsed / 1e6, peakMb: peak, askedMs };
}

/** Until all bundles are there; then the controller ends. */
async function made(): Promise<MadeAgain> {
  const count = await there.promise;
  const peak = await peakMb();
  await node?.close();
  return { count, peakMb: peak };
}

answer({ start, made });
