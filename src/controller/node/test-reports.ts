import { askThread, threadFile } from '../../dependencies/thread/ask.ts';
import type { TestResults } from '../../protocol/base/junit.ts';
import { keepNewest } from '../../protocol/base/maps.ts';
import type { Store } from '../../store/index.ts';
import { controllerNodeLimits } from './limits.ts';

const file = threadFile(import.meta.url, 'test-report-thread');

export interface TestReport extends TestResults {
  /** Some files were left out, or were too many. */
  partial: boolean;
}

/** Results that tests put out as JUnit's XML. */
export interface TestReports {
  /**
   * Of a tree, read in a thread; kept, as trees do not change. `before` may refuse to read it. Undefined where it has no such file.
   * `unread` where it could not be read within the limits, which is tried again later, or others are being read.
   */
  get(tree: string, before: () => void): Promise<TestReport | 'unread' | undefined>;
}

interface TestReportPorts {
  store: Pick<Store, 'list' | 'readFile'>;
  /** For one tree. Tests have other ones. */
  seconds?: number;
  /** In milliseconds. */
  steady?: () => number;
}

export function openTestReports({
  store,
  seconds = controllerNodeLimits.junitSecondsMax,
  steady = () => performance.now(),
}: TestReportPorts): TestReports {
  type Kept = { found: ReturnType<TestReports['get']>; until: number };
  /** By tree, the oldest first. */
  const kept = new Map<string, Kept>();
  let reading = 0;
  return {
    async get(tree, before) {
      const known = kept.get(tree);
      if (known !== undefined && steady() < known.until) return known.found;
      if (reading >= controllerNodeLimits.junitAtOnceMax) return 'unread';
      before();
      reading++;
      const failed = () => {
        one.until = steady() + controllerNodeLimits.junitAgainMs;
        return 'unread' as const;
      };
      const found = readTree(store, tree, seconds)
        .catch(failed)
        .finally(() => reading--);
      const one: Kept = { found, until: Number.POSITIVE_INFINITY };
      keepNewest(kept, tree, one, controllerNodeLimits.junitKeptMax);
      return found;
    },
  };
}

async function readTree(
  store: TestReportPorts['store'],
  tree: string,
  seconds: number,
): Promise<TestReport | undefined> {
  const signal = AbortSignal.timeout(seconds * 1000);
  const wanted: string[] = [];
  let [looked, bytes, nodeBytes, partial] = [0, 0, 0, false];
  const nodes = (more: number) => {
    nodeBytes += more;
    if (nodeBytes > controllerNodeLimits.junitNodeBytesMax) throw new Error('the tree has too many links');
  };
  const { junitEntriesMax } = controllerNodeLimits;
  // Of each folder no more; and of all folders together.
  for await (const { path, kind, size, cid } of store.list(tree, {
    signal,
    nodes,
    atMost: junitEntriesMax,
  })) {
    if (++looked >= junitEntriesMax) partial = true;
    if (looked > junitEntriesMax) break;
    if (kind !== 'file' || !/\.xml$/i.test(path)) continue;
    if (
      wanted.length >= controllerNodeLimits.junitFilesMax ||
      bytes + size > controllerNodeLimits.junitBytesMax
    ) {
      partial = true;
      continue;
    }
    bytes += size;
    wanted.push(cid);
  }
  const files: Uint8Array[] = [];
  let read = 0;
  for (const cid of wanted) {
    const parts: Uint8Array[] = [];
    for await (const part of store.readFile(cid, { signal, nodes })) {
      read += part.length;
      // The tree states the sizes, and whoever built it made the tree.
      if (read > controllerNodeLimits.junitBytesMax)
        throw new Error('files are larger than their tree states');
      parts.push(part);
    }
    files.push(Buffer.concat(parts));
  }
  if (files.length === 0) return undefined;
  const bounds = { signal, seconds, memoryMiB: controllerNodeLimits.junitMemoryMiB };
  const found = await askThread<TestResults | null>(file, files, bounds);
  return found === null ? undefined : { ...found, partial };
}
