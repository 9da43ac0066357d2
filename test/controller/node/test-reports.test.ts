import { describe, expect, it } from 'vitest';
import { controllerNodeLimits } from '../../../src/controller/node/limits.ts';
import { openTestReports } from '../../../src/controller/node/test-reports.ts';
import type { Store } from '../../../src/store/index.ts';
import { store } from '../../store/support.ts';
import { withLimits } from '../../support/with-limits.ts';
import { importInto } from '../../transfer/support.ts';

const suite = (...names: string[]) =>
  `<testsuite>${names.map((name) => `<testcase name="${name}"><failure message="no"/></testcase>`).join('')}</testsuite>`;

describe('results of tests in a tree of reports', () => {
  const treeOf = async (files: Record<string, string>) => {
    const own = await store();
    const entries = Object.entries(files).map(([name, body]) => ({ name, body }));
    return { own, tree: await importInto(own, entries) };
  };
  const read = async (files: Record<string, string>, seconds?: number) => {
    const { own, tree } = await treeOf(files);
    return openTestReports({ store: own, ...(seconds !== undefined && { seconds }) }).get(tree, () => {});
  };

  it('are those of all its files, read once for all who ask', async () => {
    const { own, tree } = await treeOf({
      'a.xml': suite('a'),
      'b/c.XML': suite('b', 'c'),
      'd.txt': suite('d'),
    });
    const reports = openTestReports({ store: own });
    let asked = 0;
    const get = () => reports.get(tree, () => void asked++);
    const [first, second] = await Promise.all([get(), get()]);
    expect(first).toMatchObject({ total: 3, failed: 3, partial: false });
    expect([second, await get(), asked]).toEqual([first, first, 1]);
  });

  it('are none where no file has any', async () => {
    expect(await read({ 'a.txt': suite('a') })).toBeUndefined();
    expect(await read({ 'a.xml': '<html/>' })).toBeUndefined();
  });

  it.each([
    ['files than are read', { junitFilesMax: 1 }],
    ['bytes than are read', { junitBytesMax: suite('a').length }],
    ['entries than are looked at', { junitEntriesMax: 1 }],
  ])('are a part where there are more %s', async (_name, limits) => {
    withLimits(controllerNodeLimits, limits);
    expect(await read({ 'a.xml': suite('a'), 'b.xml': suite('b') })).toMatchObject({
      total: 1,
      partial: true,
    });
  });

  it('are not read of a tree that has more links than files', async () => {
    withLimits(controllerNodeLimits, { junitNodeBytesMax: 100 });
    expect(await read({ 'a.xml': suite('a') })).toMatchObject({ total: 1 });
    expect(await read({ 'a.xml': suite('a'), 'b.txt': 'b', 'c.txt': 'c' })).toBe('unread');
  });

  it('are looked for among so many entries, in however many folders these are', async () => {
    withLimits(controllerNodeLimits, { junitEntriesMax: 3 });
    const names = ['a', 'b', 'c', 'd', 'e'].flatMap((dir) => [`${dir}/1.xml`, `${dir}/2.xml`]);
    const { own, tree } = await treeOf(Object.fromEntries(names.map((name) => [name, suite(name)])));
    let looked = 0;
    const counting: Pick<Store, 'list' | 'readFile'> = {
      async *list(...of) {
        for await (const entry of own.list(...of)) {
          looked++;
          yield entry;
        }
      },
      readFile: (...of) => own.readFile(...of),
    };
    expect(await openTestReports({ store: counting }).get(tree, () => {})).toMatchObject({ partial: true });
    expect(looked).toBeLessThanOrEqual(4);
  });

  it('are not waited for while others are read', async () => {
    withLimits(controllerNodeLimits, { junitAtOnceMax: 1 });
    const { own, tree } = await treeOf({ 'a.xml': suite('a') });
    const reports = openTestReports({ store: own });
    const first = reports.get(tree, () => {});
    expect(await reports.get('another tree', () => expect.fail('it was begun'))).toBe('unread');
    expect(await first).toMatchObject({ total: 1 });
  });

  it('are kept of so many trees, and read again of the one that was asked for first', async () => {
    withLimits(controllerNodeLimits, { junitKeptMax: 1 });
    const own = await store();
    const [one, two] = await Promise.all(
      ['a', 'b'].map((name) => importInto(own, [{ name: `${name}.xml`, body: suite(name) }])),
    );
    const reports = openTestReports({ store: own });
    const read: (string | undefined)[] = [];
    for (const tree of [one, two, two, one]) await reports.get(tree ?? '', () => void read.push(tree));
    expect(read).toEqual([one, two, one]);
  });

  it('are not waited for longer than they may take', async () => {
    expect(await read({ 'a.xml': suite('a') }, 0.001)).toBe('unread');
  });

  it('that could not be read are read again later, and not at once', async () => {
    const { own, tree } = await treeOf({ 'a.xml': suite('a') });
    let [now, asked, fails] = [0, 0, true];
    const failing: Pick<Store, 'list' | 'readFile'> = {
      async *list(...of) {
        if (fails) throw new Error('a block is missing');
        yield* own.list(...of);
      },
      readFile: (...of) => own.readFile(...of),
    };
    const reports = openTestReports({ store: failing, steady: () => now });
    const get = () => reports.get(tree, () => void asked++);
    expect([await get(), await get(), asked]).toEqual(['unread', 'unread', 1]);
    fails = false;
    now = controllerNodeLimits.junitAgainMs - 1;
    expect([await get(), asked]).toEqual(['unread', 1]);
    now++;
    expect([await get(), asked]).toMatchObject([{ total: 1 }, 2]);
    now *= 1000;
    expect([await get(), asked]).toMatchObject([{ total: 1 }, 2]);
  });

  it('are not read on where files are larger than their tree states', async () => {
    const { own, tree } = await treeOf({ 'a.xml': suite('a') });
    withLimits(controllerNodeLimits, { junitBytesMax: 2 });
    let read = 0;
    const lying: Pick<Store, 'list' | 'readFile'> = {
      async *list(...of) {
        for await (const entry of own.list(...of)) yield { ...entry, size: 1 };
      },
      async *readFile() {
        for (; read < 10; read++) yield Uint8Array.of(60);
      },
    };
    expect(await openTestReports({ store: lying }).get(tree, () => {})).toBe('unread');
    expect(read).toBe(2);
  });
});
