export const forgeKinds = ['forgejo', 'gitea', 'github', 'gitlab', 'pagure'] as const;
export type ForgeKind = (typeof forgeKinds)[number];

export interface CommitStatus {
  /** Full commit id. */
  commit: string;
  /** Name of the status; the same name replaces what it said before. */
  context: string;
  state: 'pending' | 'success' | 'failure' | 'error';
  says: string;
  /** Absolute URL. */
  link?: string | undefined;
}

/** An open pull request, as the forge tells of it: nothing in it is proven. */
export interface OpenPull {
  pull: number;
  title: string;
  author: string;
  base: string;
  labels: string[];
}

export interface ForgeOptions {
  kind: ForgeKind;
  /** Base URL of the API. */
  api: string;
  /** `owner/name`, or a longer path. */
  project: string;
  token: string;
}

export interface Forge {
  /** Pattern of the refs that pull requests have on its git server, with `*` for the number. */
  readonly pullRefs: string;
  /** @throws `FORGE_…`. */
  setStatus(status: CommitStatus, signal: AbortSignal): Promise<void>;
  /** The newest open ones and, of a longer list, those from the page `from` on. @throws `FORGE_…` */
  openPulls(
    signal: AbortSignal,
    from?: number,
  ): Promise<{ pulls: OpenPull[]; isWhole: boolean; next: number }>;
  /** Whether this one is open still. @throws `FORGE_…`. */
  isOpen(pull: number, signal: AbortSignal): Promise<boolean>;
}
