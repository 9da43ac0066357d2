import { execFile } from 'node:child_process';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { createGroup, type Group } from '../sandbox/cgroups/group.ts';
import { groupPrefix } from '../sandbox/cgroups/leftovers.ts';
import { findCgroupParents, readHierarchies } from '../sandbox/cgroups/parents.ts';
import { limitSettings, lowPriority, withPriority } from '../sandbox/cgroups/settings.ts';
import type { Sandbox, SandboxImage } from '../sandbox/index.ts';

const MiB = 1024 * 1024;
const run = promisify(execFile);

export const limits = {
  cpus: 2,
  memoryBytes: 2048 * MiB,
  diskBytes: 1024 * MiB,
  pids: 256,
  seconds: 100,
};

/** A group like those of jobs: at another priority the tool would be measured beside whatever else the machine does. */
export function bareGroup(): Group {
  const { parents } = findCgroupParents(readHierarchies());
  const settings = withPriority(limitSettings, () => lowPriority);
  return createGroup(parents, `${groupPrefix}${process.pid}-bench`, limits, settings);
}

const enterGroup =
  'n=$1; shift; while [ "$n" -gt 0 ]; do echo 0 > "$1/cgroup.procs"; shift; n=$((n - 1)); done; exec nice -n 10 "$@"';

export async function inGroup({ directories }: Group, command: string[], input?: Buffer): Promise<void> {
  const words = ['-c', enterGroup, 'sh', String(directories.length), ...directories, ...command];
  const done = run('sh', words);
  if (input !== undefined) done.child.stdin?.end(input);
  await done;
}

function* pieces(bytes: Buffer): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += MiB / 4) yield bytes.subarray(at, at + MiB / 4);
}

/** One job of one step, from a tar stream to the end of what it gives back. */
export async function job(
  sandbox: Sandbox,
  tar: Buffer,
  step: string,
  image: 'host' | SandboxImage = 'host',
): Promise<void> {
  const source = Readable.from(pieces(tar), { objectMode: false });
  const said: Uint8Array[] = [];
  const outcome = await sandbox.run(
    { source, inputs: [], run: [step], env: {}, outputs: ['.'], image, limits },
    {
      onLog: (chunk) => said.push(chunk),
      onOutputs: async (out) => {
        for await (const _ of out as AsyncIterable<Uint8Array>);
      },
      signal: new AbortController().signal,
    },
  );
  if (outcome.kind !== 'exit' || outcome.code !== 0)
    throw new Error(`${JSON.stringify(outcome)}\n${Buffer.concat(said).toString('utf8').slice(-2000)}`);
}
