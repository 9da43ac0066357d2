// A volunteer whom neither gossip nor the feed stream reaches; leases it can still open. A program: --home <folder>
// --ticket <ticket>. It composes the worker of the product with a mesh that drops the one and refuses the other.
import { protocols } from '../../../src/core/wire/protocols.ts';
import { type Mesh, openMesh } from '../../../src/mesh/index.ts';
import { defaultLending } from '../../../src/runtime/worker/node.ts';
import { volunteer } from './volunteer.ts';

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

await volunteer({
  openMesh: async (options) => cutOff(await openMesh(options)),
  httpFeed: { quietMs: 1_000, everyMs: 500 },
  lending: defaultLending(['namespace']),
});
