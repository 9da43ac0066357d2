import type { Job } from '../../core/documents/index.ts';

/** What this host builds for. */
export const hostArch: Job['arch'] = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
