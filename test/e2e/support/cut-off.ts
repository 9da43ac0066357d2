// A volunteer whom neither gossip nor the feed stream reaches; leases it can still open. A program: --home <folder>
// --ticket <ticket>. It composes the worker of the product with a mesh that drops the one and refuses the other.
import { parseArgs } from 'node:util';
import { protocols } from '../../../src/core/wire/protocols.ts';
import { type Mesh, openMesh } from '../../../src/mesh/index.ts';
import { openHome } from '../../../src/runtime/home.ts';
import { joinProject } from '../../../src/runtime/join.ts';
import { defaultLending, startWorker } from '../../../src/runtime/worker-node.ts';

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

const tell = (line: unknown) => process.stdout.write(`${JSON.stringify(line)}\n`);
const { values } = parseArgs({ options: { home: { type: 'string' }, ticket: { type: 'string' } } });
const { home: dir = '', ticket = '' } = values;
const home = openHome(dir);
const membership = await joinProject({ home, ticket, signal: AbortSignal.timeout(30_000) });
const node = await startWorker({
  home,
  membership,
  openMesh: async (options) => cutOff(await openMesh(options)),
  httpFeed: { quietMs: 1_000, everyMs: 500 },
  listen: ['/ip4/127.0.0.1/tcp/0'],
  lending: defaultLending(['namespace']),
  onEvent: ({ kind, ...rest }) => tell({ event: kind, ...rest }),
  onFailure: (error) => {
    throw error;
  },
});
tell({ event: 'working', id: node.id, addresses: node.addresses() });
process.once('SIGTERM', () => {
  void node.close().then(() => process.exit(0));
});
