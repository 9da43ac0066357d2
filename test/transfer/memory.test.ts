import { type ChildProcess, fork } from 'node:child_process';
import { describe, expect, it, onTestFinished } from 'vitest';
import { folder, noiseBytes, reopened } from '../store/support.ts';
import { importInto, small } from './support.ts';

const treeBytes = 80 * 1024 * 1024;
/** In use after a collection: a side that kept what passes would have all of the tree. 20 MB when quiet, 28 MB under load. */
const liveGrowthMax = 0.75 * treeBytes;

type Report =
  | { kind: 'ready'; id: string; addrs: string[] }
  | { kind: 'memory'; rss: number; live: number }
  | { kind: 'done'; blocks: number; bytes: number };

class End {
  readonly #child: ChildProcess;
  readonly #reports: Report[] = [];

  constructor(args: string[]) {
    const program = new URL('./fixtures/reader.ts', import.meta.url);
    this.#child = fork(program, args, { execArgv: ['--expose-gc', '--disable-warning=ExperimentalWarning'] });
    this.#child.on('message', (report) => this.#reports.push(report as Report));
    onTestFinished(() => void this.#child.kill('SIGKILL'));
  }

  async wait<K extends Report['kind']>(kind: K): Promise<Extract<Report, { kind: K }>> {
    for (const limit = Date.now() + 240_000; Date.now() < limit; ) {
      const found = this.#reports.find(
        (report): report is Extract<Report, { kind: K }> => report.kind === kind,
      );
      if (found !== undefined) return found;
      if (this.#child.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`no ${kind} from the other process`);
  }

  growth(): number {
    const live = this.#reports.flatMap((report) => (report.kind === 'memory' ? [report.live] : []));
    return Math.max(...live) - (live[0] ?? 0);
  }
}

describe('memory', () => {
  it('of both sides stays bounded while a slow reader takes a large tree', async () => {
    const [from, to] = [await folder(), await folder()];
    const s = await reopened(from);
    const entries = [...small(2_000, 2_000), { name: 'big', body: noiseBytes(treeBytes) }];
    const root = await importInto(s, entries);
    await s.close();
    const server = new End(['serve', from]);
    const { id, addrs } = await server.wait('ready');
    const reader = new End(['slow', to, root, id, ...addrs]);
    expect((await reader.wait('done')).bytes).toBeGreaterThan(treeBytes);
    expect(server.growth()).toBeLessThan(liveGrowthMax);
    expect(reader.growth()).toBeLessThan(liveGrowthMax);
    const there = await reopened(to);
    expect(await there.has(root)).toBe(true);
  });
});
