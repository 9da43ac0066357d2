import type { Readable } from 'node:stream';
import { runTool } from './tool.ts';

/** Of every image: it names nothing, and a new one each time would make each file another. */
const uuid = '00000000-0000-4000-8000-000000000000';

/**
 * Makes a file system for a virtual machine of a tree's archive: the same bytes from the same tree. What is there under
 * that name is replaced. @throws IMAGE_TOOL_MISSING, IMAGE_TOOL_FAILED
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
