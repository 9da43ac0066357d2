import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { askController } from '../../../src/controller/node/control.ts';
import { openControllerJournal } from '../../../src/controller/node/controller-journal.ts';
import { controllerNodeLimits } from '../../../src/controller/node/limits.ts';
import type { ControllerNode, ControllerOptions } from '../../../src/controller/node/node.ts';
import type { NodeEvent } from '../../../src/node/node-events.ts';
import {
  initProject,
  openProjectFolder,
  type ProjectFolder,
  unusedFile,
} from '../../../src/owner/project-folder.ts';
import { rotateController } from '../../../src/owner/rotate.ts';
import { openStore } from '../../../src/store/index.ts';
import { codeOf, folder } from '../../support/code-and-folder.ts';
import { loopbackController } from '../../support/controller.ts';
import { withLimits } from '../../support/with-limits.ts';

const project = async (): Promise<ProjectFolder> =>
  initProject(await folder(), { name: 'tools', vcs: ['git.example.org'], bootstrap: [] });

/** A controller of that folder, and what became of it. */
async function start(of: ProjectFolder, over: Partial<ControllerOptions> = {}) {
  const events: NodeEvent[] = [];
  const happened: string[] = [];
  const node: ControllerNode = await loopbackController(of, 0, {
    onEvent: (event) => void events.push(event),
    onRekeyed: () => void happened.push('rekeyed'),
    onStop: () => void happened.push('stopped'),
    onFailure: () => void happened.push('failed'),
    ...over,
  });
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= node.close();
    return closed;
  };
  onTestFinished(close);
  const told = (kind: string) => events.filter((event) => event.kind === kind).map(({ says }) => says);
  return { node, close, told, happened };
}

const troubles = ({ health }: ControllerNode) =>
  [...health.live, ...health.ready].filter(({ trouble }) => trouble() !== undefined).map(({ name }) => name);

describe('a controller', () => {
  it('is ready, says where it is, answers its owner, and leaves its folder free when it ends', async () => {
    const made = await project();
    expect(existsSync(join(made.dir, unusedFile))).toBe(true);
    const metrics = new Registry();
    const { node, close, told, happened } = await start(made, { metrics, connections: 300 });
    expect([node.id, node.project, troubles(node)]).toEqual([made.controller.id, made.project, []]);
    const { addrs } = JSON.parse(await readFile(join(made.dir, 'controller.json'), 'utf8'));
    expect(addrs).toEqual(node.addresses());
    expect(existsSync(join(made.dir, unusedFile))).toBe(false);
    expect([node.view.charter(), node.view.project]).toEqual([expect.any(String), made.project]);
    expect(node.members.charter().name).toBe('tools');
    const status = await askController(made.dir, { do: 'status' });
    expect(status).toMatchObject({
      state: 'running',
      asking: null,
      charter: 1,
      connections: { max: 300, isFull: false },
    });
    expect(await metrics.metrics()).toMatch(
      /^quorate_journal_write_seconds_count\{operation="sync"\} [1-9]/m,
    );
    withLimits(controllerNodeLimits, { journalWaitMs: 1 });
    expect(await codeOf(() => start(made))).toBe('JOURNAL_IN_USE');
    await close();
    expect(await codeOf(() => askController(made.dir, { do: 'status' }))).toBe('CONTROLLER_NOT_RUNNING');
    openControllerJournal(made).journal.close();
    await (await openStore({ dir: join(made.dir, 'store') })).close();
    expect(told('replayed')).toEqual([]);
    const again = await start(await openProjectFolder(made.dir));
    expect(again.told('replayed')).toEqual([expect.stringMatching(/^went on after \d+ events$/)]);
    expect(again.node.view.charter()).toBe(node.view.charter());
    expect(happened).toEqual([]);
  });

  it('is drained by its owner, and is not ready meanwhile', async () => {
    const made = await project();
    const { node, told, happened } = await start(made);
    await askController(made.dir, { do: 'drain', limitMs: 60_000 });
    expect(troubles(node)).toEqual(['drain']);
    await expect.poll(() => happened).toEqual(['stopped']);
    expect(told('drain')).toEqual(['draining: begins no round, and waits for 0 leases', 'drained']);
  });

  it('ends once for the keys of a new charter, and goes on with those', async () => {
    const made = await project();
    const { node, close, told, happened } = await start(made);
    const { key } = await rotateController(made);
    await expect.poll(() => happened).toEqual(['rekeyed']);
    expect(told('charter')).toEqual(['the charter is now of epoch 2']);
    expect(told('rekeyed')).toHaveLength(1);
    await close();
    expect(happened).toEqual(['rekeyed']);
    const next = await start(await openProjectFolder(made.dir));
    expect([next.node.id, next.node.project]).toEqual([key, node.project]);
  });

  it('that cannot start leaves nothing open', async () => {
    const made = await project();
    expect(await codeOf(() => start(made, { idp: ['/ip4/192.0.2.1/tcp/1/p2p/x'] }))).toBe('IDP_KEY_HERE');
    const store = await openStore({ dir: join(made.dir, 'store') });
    expect(await codeOf(() => start(made))).toBe('STORE_IN_USE');
    await store.close();
    const { node } = await start(made);
    expect(troubles(node)).toEqual([]);
  });
});
