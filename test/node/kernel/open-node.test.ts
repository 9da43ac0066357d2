import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkJournalFree, openJournal } from '../../../src/journal/index.ts';
import { readOptional, writeAtomic } from '../../../src/node/files.ts';
import { kernelLimits } from '../../../src/node/kernel/limits.ts';
import { type Kernel, type NodeOptions, openNode } from '../../../src/node/kernel/open-node.ts';
import { openStore } from '../../../src/store/index.ts';
import { codeOf, folder } from '../../support/code-and-folder.ts';
import { loopbackMesh } from '../../support/mesh.ts';
import { project } from '../../support/project.ts';
import { withLimits } from '../../support/with-limits.ts';

/** Takes longer to be synced than a turn of the event loop. */
const long = 'x'.repeat(4 * 2 ** 20);
const no = new Error('no');

/** Opens a node, in a folder that it may share with others. */
async function opened(build: (kernel: Kernel) => unknown, options: Partial<NodeOptions> = {}) {
  const failures: unknown[] = [];
  const told: string[] = [];
  const dir = options.dir ?? (await folder());
  const node = await openNode(
    {
      dir,
      onEvent: ({ says }) => void told.push(says),
      onFailure: (error) => void failures.push(error),
      ...options,
    },
    async (kernel) => {
      await build(kernel);
      return { kernel };
    },
  );
  return { ...node, failures, told };
}

/** A machine whose one event breaks it. */
const broken = {
  handle() {
    throw no;
  },
  nextDeadline: () => undefined,
};

/** The steps in which a node opens its parts. */
const steps = ['journal', 'mesh', 'store', 'revocations', 'loop', 'start'] as const;
type Step = (typeof steps)[number];

/** Opens all parts of a node, and calls `at` within each step. */
async function allParts(dir: string, kernel: Kernel, at: (step: Step, addresses: string[]) => void) {
  const journal = await kernel.use(
    openJournal<{ kind: string }>(join(dir, 'node.db'), { name: 'node', rules: 1 }),
  );
  at('journal', []);
  const mesh = await kernel.use(loopbackMesh());
  at('mesh', mesh.addresses());
  await kernel.openStore(mesh.libp2p);
  at('store', mesh.addresses());
  await kernel.openRevocations(project);
  at('revocations', mesh.addresses());
  const loop = kernel.openLoop({ machine: broken, journal, tick: undefined });
  at('loop', mesh.addresses());
  kernel.onClose(() => {});
  at('start', mesh.addresses());
  return loop;
}

/** Codes of what cannot be opened because it is open. */
async function stillOpen(dir: string, addresses: readonly string[]): Promise<unknown[]> {
  const journal = await codeOf(() => checkJournalFree(join(dir, 'node.db')));
  const store = await codeOf(async () => (await openStore({ dir: join(dir, 'store') })).close());
  const ports = addresses.map((address) => Number(/tcp\/(\d+)/.exec(address)?.[1]));
  const listening = await Promise.all(ports.map(isListening));
  return [journal, store, ...listening].filter((one) => one !== undefined && one !== false);
}

const isListening = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

describe('the opening of a node', () => {
  it.each(steps)('closes all that is open where the step %s fails', async (failing) => {
    const dir = await folder();
    let listened: string[] = [];
    const opening = opened(
      (kernel) =>
        allParts(dir, kernel, (step, addresses) => {
          listened = addresses;
          if (step === failing) throw no;
        }),
      { dir },
    );
    await expect(opening).rejects.toBe(no);
    expect(await stillOpen(dir, listened)).toEqual([]);
  });

  it.each(steps)('ends on Ctrl-C in the step %s, and opens no later part', async (during) => {
    const dir = await folder();
    const interrupt = new AbortController();
    const reached: Step[] = [];
    let listened: string[] = [];
    const opening = opened(
      (kernel) =>
        allParts(dir, kernel, (step, addresses) => {
          reached.push(step);
          listened = addresses;
          if (step === during) interrupt.abort(no);
        }),
      { dir, signal: interrupt.signal },
    );
    await expect(opening).rejects.toBe(no);
    const later = steps.slice(steps.indexOf(during) + 1);
    expect(later.filter((step) => ['mesh', 'store'].includes(step) && reached.includes(step))).toEqual([]);
    expect(await stillOpen(dir, listened)).toEqual([]);
  });

  it('does not begin after Ctrl-C, rejects with its reason whatever failed of it, and goes on with Ctrl-C once it is over', async () => {
    const interrupt = new AbortController();
    const { signal } = interrupt;
    const node = await opened(() => {}, { signal });
    interrupt.abort(no);
    expect(node.kernel.closing.aborted).toBe(false);
    await node.close();
    expect(node.kernel.closing.aborted).toBe(true);
    const second = new AbortController();
    const failing = opened(
      () => {
        second.abort(no);
        throw new Error('what was asked did not answer');
      },
      { signal: second.signal },
    );
    await expect(failing).rejects.toBe(no);
    let begun = false;
    const late = opened(
      () => {
        begun = true;
      },
      { signal },
    );
    await expect(late).rejects.toBe(no);
    expect(begun).toBe(false);
  });

  it('rejects with its own error where a part cannot be closed then', async () => {
    const opening = opened((kernel) => {
      kernel.onClose(() => Promise.reject(new Error('cannot be closed')));
      throw no;
    });
    await expect(opening).rejects.toBe(no);
  });

  it('fails where its loop does meanwhile', async () => {
    const dir = await folder();
    const failures: unknown[] = [];
    const opening = opened(
      async (kernel) => {
        const loop = await allParts(dir, kernel, () => {});
        await loop.dispatch({ kind: 'event' });
      },
      { dir, onFailure: (error) => failures.push(error) },
    );
    await expect(opening).rejects.toBe(no);
    expect([failures, await stillOpen(dir, [])]).toEqual([[no], []]);
  });
});

it('a home in use is refused: by its journal, and by its store, which says what runs there where it is known', async () => {
  const dir = await folder();
  const first = await opened((kernel) => allParts(dir, kernel, () => {}), { dir });
  expect(await codeOf(() => opened((kernel) => allParts(dir, kernel, () => {}), { dir }))).toBe(
    'JOURNAL_IN_USE',
  );
  const storeOf = async (use?: { node: string; command: string }) => {
    const mesh = await loopbackMesh();
    const opening = opened((kernel) => kernel.openStore(mesh.libp2p, use), { dir });
    const error = await opening.then(
      () => undefined,
      (cause) => cause,
    );
    await mesh.close();
    return error;
  };
  expect(await storeOf()).toMatchObject({ code: 'STORE_IN_USE' });
  expect(await storeOf({ node: 'worker', command: 'quorate join <ticket>' })).toMatchObject({
    code: 'HOME_IN_USE',
    message: `another worker runs from ${dir}`,
    hint: expect.stringMatching(/: quorate join <ticket> --home <folder>$/),
  });
  await first.close();
  expect(await storeOf()).toBeUndefined();
});

describe('the end of a node', () => {
  it('closes what is open in reverse order, also what is opened meanwhile, and each call ends after that', async () => {
    const done: string[] = [];
    const slow = Promise.withResolvers<void>();
    const node = await opened((kernel) => {
      kernel.onClose(() => done.push('first'));
      kernel.onClose(async () => {
        await slow.promise;
        kernel.onClose(() => done.push('late'));
        done.push('second');
      });
    });
    const all = [node.close().then(() => done.push('ended')), node.close().then(() => done.push('again'))];
    await new Promise(setImmediate);
    expect(done).toEqual([]);
    slow.resolve();
    await Promise.all(all);
    expect(done).toEqual(['second', 'late', 'first', 'ended', 'again']);
    const { kernel } = node;
    const part = { close: () => done.push('after') };
    await expect(kernel.use(part)).rejects.toMatchObject({ name: 'AbortError' });
    await expect.poll(() => done.at(-1)).toBe('after');
  });

  it('is the end of its loop: no later event is handled', async () => {
    const dir = await folder();
    let loop: Awaited<ReturnType<typeof allParts>> | undefined;
    const node = await opened(
      async (kernel) => {
        loop = await allParts(dir, kernel, () => {});
      },
      { dir },
    );
    await node.close();
    await loop?.dispatch({ kind: 'event' });
    expect([loop, node.kernel.trouble]).toEqual([expect.anything(), undefined]);
  });

  it('closes the other parts where one cannot be closed, and says so', async () => {
    const done: string[] = [];
    const node = await opened((kernel) => {
      kernel.onClose(() => done.push('first'));
      kernel.onClose(() => Promise.reject(no));
      kernel.onClose(() => {
        throw no;
      });
    });
    await expect(node.close()).rejects.toBe(no);
    expect(done).toEqual(['first']);
    await node.close();
  });

  it('waits for parts no longer than its bound, and closes the others', async () => {
    withLimits(kernelLimits, { closeMsMax: 50 });
    const done: string[] = [];
    const node = await opened((kernel) => {
      kernel.onClose(() => done.push('first'));
      kernel.onClose(() => new Promise(() => {}));
      kernel.onClose(() => new Promise(() => {}));
    });
    await node.close();
    expect(done).toEqual(['first']);
  });

  it('comes with the first failure, which is reported once all is closed', async () => {
    const slow = Promise.withResolvers<void>();
    const node = await opened((kernel) => kernel.onClose(() => slow.promise));
    expect(node.kernel.trouble).toBeUndefined();
    node.kernel.fail(no);
    node.kernel.fail(new Error('another'));
    expect([node.kernel.trouble, node.kernel.closing.aborted, node.failures]).toEqual(['no', true, []]);
    slow.resolve();
    await expect.poll(() => node.failures).toEqual([no]);
    await node.close();
    expect(node.failures).toEqual([no]);
  });

  it('waits for writes into the folder and below it, those that follow others too, also where one fails', async () => {
    const dir = await folder();
    const [file, below, next] = ['a', 'b/c', 'd'].map((name) => join(dir, name)) as [string, string, string];
    await writeAtomic(join(dir, 'file'), 'x');
    const node = await opened(
      (kernel) => {
        kernel.onClose(() => {
          const saved = writeAtomic(file, long).catch(() => {});
          void saved.then(() => {}).then(() => writeAtomic(next, long));
          void writeAtomic(below, long);
          void writeAtomic(join(dir, 'file', 'below'), 'x').catch(() => {});
        });
      },
      { dir },
    );
    await node.close();
    const lengths = await Promise.all(
      [file, below, next].map(async (one) => (await readOptional(one))?.length),
    );
    expect(lengths).toEqual([long.length, long.length, long.length]);
  });
});
