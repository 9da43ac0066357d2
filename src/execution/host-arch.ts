import type { Job } from '../protocol/documents/index.ts';

export const hostArch: Job['arch'] = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
