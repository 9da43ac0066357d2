import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { askController } from '../../../src/controller/node/control.ts';
import { keyFromSeed } from '../../../src/identity/keys.ts';
import { decodeTicket } from '../../../src/identity/ticket.ts';
import { ConnectionPruner } from '../../../src/mesh/connection-pruner.ts';
import { type Mesh, openMesh } from '../../../src/mesh/index.ts';
import { reserveOf } from '../../../src/mesh/places.ts';
import { openHome } from '../../../src/node/membership/home.ts';
import { joinProject } from '../../../src/node/membership/join.ts';
import { joseDocuments, meshDial, nodeClock, signingOf } from '../../../src/node/ports.ts';
import { initProject, issueTicket } from '../../../src/owner/project-folder.ts';
import type { Role } from '../../../src/protocol/documents/index.ts';
import { ask } from '../../../src/protocol/sessions/ask.ts';
import { join } from '../../../src/protocol/sessions/join.ts';
import { command, Inside } from '../../e2e/support/inside.ts';
import { endAll, Proc } from '../../e2e/support/processes.ts';
import type { Told } from '../../e2e/support/told.ts';
import { until } from '../../e2e/support/wait.ts';
import { codeOf } from '../../mesh/harness.ts';
import { caches } from '../../support/caches.ts';
import { loopbackController } from '../../support/controller.ts';
import { quorateWords } from '../../support/program.ts';

afterAll(endAll);

const connections = 16;
const membersMax = connections - 2 * reserveOf(connections);

/** A controller with a few places, a publisher and a worker that joined and left again, and members that take all they can. */
async function fullController() {
  const dir = await mkdtemp(joinPath(tmpdir(), 'quorate-full-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true, maxRetries: 9 }));
  const folder = await initProject(dir, { name: 'project', vcs: [], bootstrap: [] });
  const controller = await loopbackController(folder, 0, { connections });
  onTestFinished(() => controller.close());
  const address = { id: controller.id, addrs: controller.addresses() };
  const signal = AbortSignal.timeout(250_000);
  const clock = nodeClock(signal);

  /** One process with that key. */
  async function node(seed: Uint8Array): Promise<Mesh> {
    const mesh = await openMesh({ key: seed, listen: [], bootstrap: [], topics: [], role: 'node' });
    onTestFinished(() => mesh.close());
    return mesh;
  }
  const ticketFor = async (operator: string, role: Role, hosts = 1) =>
    (await issueTicket(folder, { operator, role, hosts, seconds: 3600 })).ticket;
  async function joinAs(ticket: string, seed: Uint8Array, mesh: Mesh): Promise<void> {
    const { invite: raw, seed: held } = decodeTicket(ticket);
    const invite = await joseDocuments.message('invite', raw);
    const holder = held === undefined ? undefined : keyFromSeed(held).signer;
    const asking = { dial: meshDial(mesh, signal), signing: signingOf(keyFromSeed(seed).signer), clock };
    await join(asking, { invite, holder }, [address]);
  }
  /** The code with which a process of this key is refused; undefined where it is answered. */
  const asks = async (seed: Uint8Array) => {
    const mesh = await node(seed);
    const code = await codeOf(ask(meshDial(mesh, signal), [address], { kind: 'jobs' }));
    await mesh.close();
    return code;
  };
  /** The same of somebody new with a ticket. */
  async function joins(): Promise<string | undefined> {
    const seed = randomBytes(32);
    const mesh = await node(seed);
    const code = await codeOf(joinAs(newcomer, seed, mesh));
    await mesh.close();
    return code;
  }
  async function early(operator: string, role: Role): Promise<Uint8Array> {
    const seed = randomBytes(32);
    const mesh = await node(seed);
    await joinAs(await ticketFor(operator, role), seed, mesh);
    await mesh.close();
    return seed;
  }
  const publisher = await early('owner', 'publisher');
  const worker = await early('ada', 'worker');
  const home = joinPath(dir, 'rita');
  await joinProject({ home: openHome(home), ticket: await ticketFor('rita', 'reader'), signal });
  /** A member's command, in this process. */
  const commandInside = () =>
    new Inside('quorate jobs', command(['jobs'], { home, cwd: tmpdir(), json: true }));
  /** The same in a process of its own, for its signals. */
  const commandAlone = () =>
    new Proc('quorate jobs', quorateWords[0], [...quorateWords.slice(1), '--home', home, '--json', 'jobs'], {
      cwd: tmpdir(),
      env: { ...process.env, ...caches },
    });
  const newcomer = await ticketFor('bob', 'worker');
  const ticket = await ticketFor('mallory', 'worker', 100);
  const members: Mesh[] = [];
  for (let n = 0; n < membersMax; n++) {
    const seed = randomBytes(32);
    const mesh = await node(seed);
    await joinAs(ticket, seed, mesh);
    members.push(mesh);
  }
  const status = async () => (await askController(folder.dir, { do: 'status' })).connections;
  return { asks, joins, commandInside, commandAlone, members, publisher, worker, status };
}

describe('members take all the connections of a controller that they can', () => {
  it('the owner and whoever joins find a place; another member hears that it is full, and the owner too', async () => {
    const { asks, joins, publisher, worker, status } = await fullController();
    expect(await status()).toMatchObject({ max: connections, refused: 0, isFull: false });
    expect(await asks(worker)).toBe('MESH_FULL');
    expect(await asks(publisher)).toBeUndefined();
    expect(await joins()).toBeUndefined();
    expect(await asks(publisher)).toBeUndefined();
    expect(await status()).toMatchObject({ max: connections, isFull: true });
    expect((await status())?.refused).toBeGreaterThan(0);
  });

  it('the command of a member says that it waits, goes on at a place that gets free, and ends by Ctrl-C', async () => {
    const { commandInside, commandAlone, members } = await fullController();
    const waits = async <T extends Told>(proc: T): Promise<T> => {
      await until('word that it waits', () => {
        if (!proc.alive) throw new Error(`it ended before\n${proc.report()}`);
        return proc.stderr.includes('waiting: the controller takes no more connections now');
      });
      return proc;
    };
    const [given, up] = await Promise.all([waits(commandInside()), waits(commandAlone())]);
    expect(await up.stop('SIGINT'), up.report()).toMatchObject({ code: 130 });
    await members[0]?.close();
    expect(await given.end(), given.report()).toMatchObject({ code: 0 });
  });

  it('control: where all are members alike, both are locked out', async () => {
    vi.spyOn(ConnectionPruner.prototype, 'rankOf').mockReturnValue('member');
    onTestFinished(() => void vi.restoreAllMocks());
    const { asks, joins, publisher } = await fullController();
    expect(await asks(publisher)).toBe('MESH_FULL');
    expect(await joins()).toBe('MESH_FULL');
  });
});
