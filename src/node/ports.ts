import { randomBytes } from 'node:crypto';
import { joseVerifier } from '../identity/verifier.ts';
import type { Mesh } from '../mesh/index.ts';
import type { EventLoop } from '../protocol/base/slices.ts';
import { openMessage, openStatement, type Signer } from '../protocol/documents/index.ts';
import { MachineTime } from '../protocol/sessions/machine-time.ts';
import type { Accepts, Channel, Clock, Dial, Documents, Signing } from '../protocol/sessions/ports.ts';
import { steadyTime } from './steady-time.ts';

/**
 * Iterations of the event loop that are one turn: what lies in a socket takes a few. Where there is nothing to do, they take
 * microseconds.
 */
const turnIterations = 4;

/** The time of a node's machine, which begins now. */
export const machineTime = (): MachineTime =>
  new MachineTime({ now: () => Date.now(), monotonic: steadyTime() });

/**
 * Node's clocks and timers. `signal` is aborted when the node begins to shut down; `time`: of its machine, by which its sessions go as well.
 */
export function nodeClock(signal: AbortSignal, time?: MachineTime): Clock {
  return {
    now: time === undefined ? () => Date.now() : () => time.steady(),
    monotonic: steadyTime(),
    after(ms, act) {
      const timer = setTimeout(act, ms);
      return () => clearTimeout(timer);
    },
    endOfTurn(act) {
      const wait = (left: number): unknown => setImmediate(() => (left > 1 ? wait(left - 1) : act()));
      wait(turnIterations);
    },
    get closing() {
      return signal.aborted;
    },
    onClosing(act) {
      if (signal.aborted) {
        act();
        return () => {};
      }
      signal.addEventListener('abort', act, { once: true });
      return () => signal.removeEventListener('abort', act);
    },
  };
}

/** The event loop of this process, for `Slices`. */
export const nodeLoop: EventLoop = { now: () => performance.now(), turn: setImmediate };

/** Opens documents with the verifier of this process. */
export const joseDocuments: Documents = {
  message: (kind, compact) => openMessage(kind, compact, joseVerifier),
  receipt: (envelope) => openStatement('receipt', envelope, joseVerifier),
  verdict: (envelope) => openStatement('verdict', envelope, joseVerifier),
  verifier: joseVerifier,
};

/** Signs as the key of `signer`; nonces come from the operating system. */
export function signingOf(signer: Signer): Signing {
  return { signer, documents: joseDocuments, nonce: () => randomBytes(18).toString('base64url') };
}

/** Dials over the mesh. Channels end their reads when `signal` is aborted. */
export function meshDial(mesh: Mesh, signal: AbortSignal): Dial {
  return async (peer, protocol, { timeoutMs, maxMessageBytes }) => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const channel = await mesh.open(peer, protocol, { signal: limit, maxMessageBytes });
    const bound: Channel = {
      peer: channel.peer,
      get closed() {
        return channel.closed;
      },
      send: (message) => channel.send(message),
      receive: (options = {}) => channel.receive({ ...options, signal }),
      close: () => channel.close(),
      abort: (reason) => channel.abort(reason),
    };
    return bound;
  };
}

/** Hears gossip topics over the mesh. A message that `accepts` refuses is neither handled nor passed on. */
export function meshTopics(mesh: Pick<Mesh, 'setValidator' | 'subscribe'>) {
  return (topic: string, accepts: Accepts, handle: (data: Uint8Array) => void): void => {
    mesh.setValidator(topic, async (author, data) => {
      const accepted = await accepts(author, data);
      return accepted === 'ignore' ? accepted : accepted ? 'accept' : 'reject';
    });
    mesh.subscribe(topic, (_author, data) => handle(data));
  };
}
