/** Processor architectures, as named in jobs. */
export type Arch = 'x86_64' | 'aarch64';

/** Their names in OCI images (GOARCH). */
export const goArch: Readonly<Record<Arch, string>> = { x86_64: 'amd64', aarch64: 'arm64' };
