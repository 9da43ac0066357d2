import { combineSandboxes, type Sandbox } from '../../../sandbox/index.ts';
import { generateSeed } from '../../../src/identity/keys.ts';
import { type Mesh, openMesh } from '../../../src/mesh/index.ts';
import { openHome } from '../../../src/node/membership/home.ts';
import { joinProject } from '../../../src/node/membership/join.ts';
import { protocols } from '../../../src/protocol/wire/protocols.ts';
import { defaultLending, startWorker, type WorkerOptions } from '../../../src/worker/node/node.ts';
import { unprobed } from '../../sandbox/support.ts';
import { AnyCluster, type ClusterOptions, type CommandPlace, newGround } from './any-cluster.ts';
import { Inside, type Run, tellingErrors } from './inside.ts';
import { tampering } from './tampering.ts';

export type Unusual = Partial<Pick<WorkerOptions, 'openMesh' | 'httpFeed' | 'sandboxes' | 'rules'>>;

const loopback = ['/ip4/127.0.0.1/tcp/0'];

/**
 * Controller, workers and commands in the process of the tests: over real sockets, with a real git server, real sandboxes
 * and real journals. What a process of its own is needed for (a kill, another user, a mount) is started with `spawn`.
 */
export class LocalCluster extends AnyCluster<Inside> {
  static async start(options: ClusterOptions & { tamper?: string[] } = {}): Promise<LocalCluster> {
    const cluster = new LocalCluster(await newGround(), options);
    await cluster.open(options);
    await Promise.all((options.tamper ?? []).map((name) => cluster.tamperer(name)));
    return cluster;
  }

  start(name: string, args: string[], place?: CommandPlace): Inside {
    return this.inside(name, args, place);
  }

  join(name: string, ticket?: string, more: string[] = []): Promise<Inside> {
    if (more.length === 0) return this.work(name, ticket);
    const node = this.start(name, this.joinWords(ticket, more), { home: name, cwd: this.dir });
    return this.joined(node);
  }

  /** Steered by none of the workers. */
  sandbox(): Sandbox {
    const sandbox = unprobed(this.dir);
    const { tier, hostImage, unpinned, profile } = sandbox;
    return { tier, hostImage, unpinned, profile, run: (job, io) => sandbox.run(job, io) };
  }

  /** A worker of the product with other parts than usual, told of as `quorate join` does. */
  async work(name: string, ticket?: string, unusual: Unusual = {}): Promise<Inside> {
    const sandboxes = unusual.sandboxes ?? combineSandboxes([this.sandbox()]);
    return this.joined(new Inside(name, this.#worker(name, ticket, { ...unusual, sandboxes })));
  }

  /** A worker that goes on from this home, or fails as `quorate join` does. */
  goOn(name: string): Inside {
    const sandboxes = combineSandboxes([this.sandbox()]);
    return new Inside(name, tellingErrors(this.#worker(name, undefined, { sandboxes })));
  }

  #worker(name: string, ticket: string | undefined, unusual: Unusual): Run {
    return async (tell, signal) => {
      const home = openHome(this.home(name));
      const membership =
        ticket === undefined ? await home.membership() : await joinProject({ home, ticket, signal });
      const { promise: over, resolve, reject } = Promise.withResolvers<void>();
      const node = await startWorker({
        home,
        membership,
        listen: loopback,
        lending: defaultLending(['namespace']),
        ...unusual,
        onEvent: ({ kind, ...rest }) => tell.value({ event: kind, ...rest }),
        onFailure: reject,
        onStop: resolve,
      });
      tell.value({ event: 'working', id: node.id, addresses: node.addresses() });
      signal.addEventListener('abort', () => resolve());
      if (signal.aborted) resolve();
      await over;
      await node.close();
      return 0;
    };
  }

  /** One who changes what was built. */
  async tamperer(name: string): Promise<Inside> {
    const sandboxes = combineSandboxes([tampering(this.sandbox())]);
    const node = await this.work(name, await this.ticket(name), { sandboxes });
    await node.event('connected');
    return node;
  }

  /** One whom neither gossip nor the feed stream reaches; leases it can still open. */
  async cutOff(name: string): Promise<Inside> {
    return this.work(name, await this.ticket(name), {
      openMesh: async (options) => cutOff(await openMesh(options)),
      httpFeed: { quietMs: 1_000, everyMs: 500 },
    });
  }

  protected async startBootstrap(): Promise<string> {
    const mesh = await openMesh({
      key: generateSeed(),
      listen: loopback,
      bootstrap: [],
      topics: [],
      role: 'bootstrap',
    });
    const [address = ''] = mesh.addresses();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.bootstrap = new Inside('bootstrap', async (_, signal) => {
      signal.addEventListener('abort', () => resolve());
      await promise;
      await mesh.close();
      return 0;
    });
    return address;
  }
}

function cutOff(mesh: Mesh): Mesh {
  return new Proxy(mesh, {
    get(target, name) {
      if (name === 'subscribe') return () => () => {};
      if (name === 'open')
        return (...given: Parameters<Mesh['open']>) =>
          given[1] === protocols.feed
            ? Promise.reject(new Error('cut off by the test'))
            : target.open(...given);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
