import { askThread, threadFile } from '../../dependencies/thread/ask.ts';
import type { TestResults } from '../../protocol/base/junit.ts';
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
   * Of a tree, read in a thread; kept, as trees do not change. `before` may refuse to read it. Undefined where it has no such file, or
   * cannot be read within the limits, or others are being read.
   */
  get(tree: string, before: () => void): Promise<TestReport | undefined>;
}

export interface TestReportPorts {
  store: Pick<Store, 'list' | 'readFile'>;
  /** For one tree. Tests have other ones. */
  seconds?: number;
}

export function openTestReports({
  store,
  seconds = controllerNodeLimits.junitSecondsMax,
}: TestReportPorts): TestReports {
  /** By tree, the oldest first. */
  const kept = new Map<string, Promise<TestReport | undefined>>();
  let reading = 0;
  return {
    async get(tree, before) {
      const known = kept.get(tree);
      if (known !== undefined) return known;
      if (reading >= controllerNodeLimits.junitAtOnceMax) return undefined;
      before();
      reading++;
      const found = readTree(store, tree, seconds)
        .catch(() => undefined)
        .finally(() => reading--);
      kept.set(tree, found);
      const [oldest] = kept.keys();
      if (kept.size > controllerNodeLimits.junitKeptMax && oldest !== undefined) kept.delete(oldest);
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
  let [looked, bytes, partial] = [0, 0, false];
  const { junitEntriesMax } = controllerNodeLimits;
  // Of each folder no more; and of all folders together.
  for await (const { path, kind, size, cid } of store.list(tree, { signal, atMost: junitEntriesMax })) {
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
    for await (const part of store.readFile(cid, { signal })) {
      read += part.length;
      // The tree states the sizes, and whoever built it made the tree.
      if (read > controllerNodeLimits.junitBytesMax) return undefined;
      parts.push(part);
    }
    files.push(Buffer.concat(parts));
  }
  if (files.length === 0) return undefined;
  const bounds = { signal, seconds, memoryMiB: controllerNodeLimits.junitMemoryMiB };
  const found = await askThread<TestResults | null>(file, files, bounds);
  return found === null ? undefined : { ...found, partial };
}
