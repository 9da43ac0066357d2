/** As jobs name processors. */
export type Arch = 'x86_64' | 'aarch64';

/** As container tools name them. */
export const goArch: Readonly<Record<Arch, string>> = { x86_64: 'amd64', aarch64: 'arm64' };
