import type { Job } from '../protocol/documents/index.ts';

/** Architecture of this host's builds. */
export const hostArch: Job['arch'] = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
