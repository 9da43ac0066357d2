import { join } from 'node:path';
import type { StoredBundles } from '../../protocol/sessions/bundle-exchange.ts';
import type { RevocationBook } from '../../protocol/sessions/revocation-book.ts';
import type { ReadOptions, Store, TellNode, TreeEntry } from '../../store/index.ts';
import type { RunFacts } from '../machine/facts.ts';
import { artifactLevel, isTreeShown } from '../machine/queries/summary.ts';
import type { ControllerState } from '../machine/state.ts';
import { describeOutcome } from '../machine/verdicts/results.ts';
import { type LogSource, logSourcesOf, revealed } from '../sessions/log-answers.ts';
import type { LogServer } from '../sessions/log-server.ts';
import type { ControllerContext } from './context.ts';
import { controllerNodeLimits } from './limits.ts';
import { type LogPages, openLogPages } from './log-pages.ts';
import { projectView } from './project-view.ts';
import { openSboms, type Sboms } from './sbom.ts';
import { openTestReports, type TestReports } from './test-reports.ts';

/** A build whose log a reader may see. */
export interface ShownBuild extends LogSource {
  /** `describeOutcome` of its receipt, once its round is revealed. */
  result?: string | undefined;
}

export type BuildLogs = ReturnType<typeof buildLogs>;

/** Trees of `isTreeShown`, for pages. */
export type Trees = ReturnType<typeof storedTrees> & {
  /** Lists of what trees were made from. Absent: no tree has one. */
  sboms?: Sboms | undefined;
  /** Absent: no results of tests are read. */
  testReports?: TestReports | undefined;
};

/** The start of a tree's list of files; `more`: there are further ones. */
export type ListedFiles = NonNullable<Awaited<ReturnType<Trees['list']>>>;

export function controllerPages(
  { folder, machine, mesh, store }: ControllerContext,
  { logs, logEvidence, bundles }: { logs: LogServer; logEvidence: RevocationBook; bundles: StoredBundles },
) {
  const { project, name, dir } = folder;
  const { state } = machine;
  const revocations = () => logEvidence.revoked;
  return {
    view: projectView({
      project,
      name,
      state,
      addresses: () => mesh.addresses(),
      connections: () => mesh.connections(),
      equivocations: () => logEvidence.equivocations.map(({ proves }) => proves.says),
    }),
    logs: buildLogs(
      state,
      logs,
      openLogPages(join(dir, 'logs'), (lease) => logs.liveTimes(lease)),
    ),
    trees: {
      ...storedTrees(state, store),
      testReports: openTestReports({ store }),
      sboms: openSboms({ project, bundles, store, revocations, level: (tree) => artifactLevel(state, tree) }),
    },
  };
}

export function buildLogs(state: ControllerState, logs: Pick<LogServer, 'isLive' | 'read'>, pages: LogPages) {
  return {
    /** Those of a run that a reader may see: of revealed rounds, or of all where `all` is set. `sealed`: there are others. */
    of(id: string, all: boolean): { builds: ShownBuild[]; sealed: boolean } {
      const run: RunFacts | undefined = state.index.get(id);
      if (run === undefined) return { builds: [], sealed: false };
      const results = new Map(
        run.receipts.flatMap((one) =>
          revealed(run, one) ? [[one.lease, describeOutcome(one.outcome)]] : [],
        ),
      );
      const { shown, sealed } = logSourcesOf(state, run, all);
      return { builds: shown.map((one) => ({ ...one, result: results.get(one.lease) })), sealed };
    },
    isLive: (lease: string) => logs.isLive(lease),
    pages,
    read: (lease: string) => logs.read(lease),
  };
}

type Reading = Pick<ReadOptions, 'signal' | 'nodes'>;

function storedTrees(
  state: ControllerState,
  store: Pick<Store, 'blocks' | 'list' | 'resolve' | 'readFile' | 'exportTar'>,
) {
  const { blocks } = store;
  const isHere = (tree: string) => {
    try {
      return blocks.touch(blocks.parse(tree)) !== undefined;
    } catch {
      return false;
    }
  };
  return {
    isShown: (tree: string) => isTreeShown(state, tree),
    level: (tree: string) => artifactLevel(state, tree),
    /** Job and short commit of the newest run that made it. */
    called(tree: string): string | undefined {
      const [run] = state.index.latestWithArtifact(tree).take(1);
      return run && `${run.job.name}-${run.request.payload.commit.slice(0, 8)}`;
    },
    isHere,
    /** The first entries, as far as they are read within `listedNodeBytesMax`; undefined where the tree is not here. */
    async list(
      tree: string,
      max: number,
      nodes?: TellNode,
    ): Promise<{ files: readonly TreeEntry[]; more: boolean } | undefined> {
      if (!isHere(tree)) return undefined;
      const files: TreeEntry[] = [];
      let left: number = controllerNodeLimits.listedNodeBytesMax;
      // A few shards that link to each other many times take minutes to walk, and hold no entry.
      const bounded = (bytes: number) => {
        left -= Math.max(bytes, controllerNodeLimits.listedNodeBytesMin);
        if (left < 0) throw new Error('the tree has too many links');
        return nodes?.(bytes);
      };
      try {
        for await (const entry of store.list(tree, { atMost: max + 1, nodes: bounded })) {
          if (files.length >= max) return { files, more: true };
          files.push(entry);
        }
      } catch (error) {
        if (left >= 0) throw error;
        return { files, more: true };
      }
      return { files, more: false };
    },
    /** Undefined where there is none. The work ends with the signal. */
    entry: async (tree: string, path: string, reading: Reading) =>
      isHere(tree) ? store.resolve(tree, path, reading) : undefined,
    /** Bytes of a file after the first `skip`, verified. */
    file: (cid: string, reading: Reading & { skip: number }): AsyncIterable<Uint8Array> =>
      store.readFile(cid, reading),
    tar: (tree: string, reading: Reading): AsyncIterable<Uint8Array> => store.exportTar(tree, reading),
  };
}
