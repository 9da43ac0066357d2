import { mkdir, statfs } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import type { JobSpec } from '../../jobfile/index.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { sizeTexts } from '../../protocol/base/quantity.ts';

/** Checks limits that a worker checks. `stateDir`: where the files of builds are. @throws SOURCE_TOO_LARGE, TRY_HOST_TOO_SMALL */
export async function checkFits(
  { name, limits: asked }: JobSpec,
  sourceBytes: number,
  stateDir: string,
): Promise<void> {
  const { cpus, memoryBytes, diskBytes } = asked;
  if (sourceBytes > diskBytes) {
    const [source, disk] = sizeTexts(sourceBytes, diskBytes);
    throw new QuorateError(
      'SOURCE_TOO_LARGE',
      `the source takes ${source}; the job ${name} may write ${disk}`,
      { hint: 'Exclude files that are not source in .gitignore, or raise the disk limit of the job.' },
    );
  }
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const { bavail, bsize } = await statfs(stateDir);
  const there = {
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    diskBytes: Math.max(totalmem(), bavail * bsize),
  };
  const [memory, memoryHere] = sizeTexts(memoryBytes, there.memoryBytes);
  const [disk, diskHere] = sizeTexts(diskBytes, there.diskBytes);
  const lacking = [
    cpus > there.cpus ? `${cpus} cpus, and ${there.cpus === 1 ? '1 is' : `${there.cpus} are`} here` : [],
    memoryBytes > there.memoryBytes ? `${memory} of memory, and ${memoryHere} are here` : [],
    diskBytes > there.diskBytes ? `${disk} of disk, and ${diskHere} are here` : [],
  ].flat();
  if (lacking.length === 0) return;
  throw new QuorateError('TRY_HOST_TOO_SMALL', `the job ${name} wants ${lacking.join('; ')}`, {
    hint: 'Try it on a larger host, or lower the limits in quorate.yaml.',
  });
}
