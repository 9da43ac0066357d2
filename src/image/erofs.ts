import type { Readable } from 'node:stream';
import { runTool } from './tool.ts';

/** A fixed UUID, so that the file is deterministic. */
const uuid = '00000000-0000-4000-8000-000000000000';

/**
 * Writes a tree, given as a tar archive, as an EROFS file system. Deterministic. An existing file is replaced.
 * @throws IMAGE_TOOL_MISSING, IMAGE_TOOL_FAILED
 */
export function makeErofs(tar: Readable, file: string, signal: AbortSignal): Promise<void> {
  return runTool({
    name: 'mkfs.erofs',
    command: ['mkfs.erofs', '--quiet', '--tar=f', '-zlz4', '-T0', `-U${uuid}`, '--all-root', file],
    package: 'erofs-utils',
    input: tar,
    signal,
  });
}
