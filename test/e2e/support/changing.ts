import type { Channel, Mesh } from '../../../src/mesh/index.ts';
import { protocols } from '../../../src/protocol/wire/protocols.ts';

/**
 * A mesh of a worker that is sent trees with one byte changed, where the bytes that `changed` gives are part of them. None are
 * changed while it gives none.
 */
export function changing(mesh: Mesh, changed: () => Uint8Array): Mesh {
  const open: Mesh['open'] = async (...given) => {
    const channel = await mesh.open(...given);
    return given[1] === protocols.car ? changingChannel(channel, changed) : channel;
  };
  return varied(mesh, { open });
}

const changingChannel = (channel: Channel, changed: () => Uint8Array): Channel =>
  varied(channel, {
    receive: async (options) => {
      const message = await channel.receive(options);
      const wanted = changed();
      const at = message === undefined ? -1 : Buffer.from(message).indexOf(wanted);
      if (message === undefined || wanted.length === 0 || at < 0) return message;
      const copy = Uint8Array.from(message);
      copy[at + 20] = (copy[at + 20] ?? 0) ^ 1;
      return copy;
    },
  });

/** An object with other methods. */
function varied<T extends object>(of: T, other: Partial<T>): T {
  return new Proxy(of, {
    get(target, name) {
      const value: unknown = Reflect.get(name in other ? other : target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
