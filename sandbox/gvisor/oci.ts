import type { OciSeccomp } from '../seccomp/oci.ts';

// The fields of an OCI configuration that runsc is given (opencontainers/runtime-spec, config.md and config-linux.md).

export interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source?: string;
  readonly options?: readonly string[];
}

export interface OciProcess {
  readonly user: { uid: number; gid: number };
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly capabilities: Record<'bounding' | 'effective' | 'permitted' | 'inheritable', readonly string[]>;
  readonly noNewPrivileges: boolean;
  readonly rlimits: readonly { type: string; hard: number; soft: number }[];
}

export interface OciConfig {
  readonly ociVersion: string;
  readonly process: OciProcess;
  readonly root: { path: string; readonly: boolean };
  readonly hostname: string;
  readonly mounts: readonly OciMount[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly linux: { namespaces: readonly { type: string }[]; seccomp?: OciSeccomp };
}
