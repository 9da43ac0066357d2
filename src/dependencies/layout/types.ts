import { QuorateError } from '../../protocol/base/errors.ts';
import type { Entry } from '../../protocol/lock-formats/index.ts';

/** A dependency that its tool cannot install offline. */
export const unsupported = ({ purl }: LockedFile, why: string, hint: string): QuorateError =>
  new QuorateError('DEPENDENCIES_UNSUPPORTED', `${purl}: ${why}`, { hint });

/** A file that a lock file demands, and its bytes, which were checked against its hash. */
export interface LockedFile extends Entry {
  readonly blob: Blob;
}

export interface Blob {
  readonly name: string;
  readonly size: number;
}

/** One file of a layout, or the files of a crate. Paths are relative to /build; the first part is one of `layoutFolders`. */
export type LaidFile = { readonly path: string } & (
  | { readonly text: string }
  | { readonly blob: Blob }
  /** A crate, unpacked without the first part of its names. */
  | { readonly crate: Blob }
);

/** Folders below /build that a layout writes to: what tools read, and configuration that cargo finds above the source. */
export const layoutFolders = ['dependencies', '.cargo'] as const;
export type LayoutFolder = (typeof layoutFolders)[number];

export interface Layout {
  /** Sorted by path, each once. */
  readonly files: readonly LaidFile[];
  /** Variables of the steps. A job may set them otherwise. */
  readonly env: Readonly<Record<string, string>>;
}

export const inBuild = (path: string): string => `/build/${path}`;

/** A module's path with capital letters as `!` and the small one (golang.org/x/mod/module, EscapePath). */
export const escapedModule = (text: string): string =>
  text.replace(/[A-Z]/g, (letter) => `!${letter.toLowerCase()}`);
