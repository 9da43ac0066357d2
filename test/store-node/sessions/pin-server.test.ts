import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/protocol/base/limits.ts';
import { fromUtf8 } from '../../../src/protocol/base/text.ts';
import { sessionLimits } from '../../../src/protocol/sessions/limits.ts';
import type { Channel, Clock } from '../../../src/protocol/sessions/ports.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { type PinServerPorts, pinServer } from '../../../src/store-node/sessions/pin-server.ts';
import { cidOf, controller, testKey } from '../../support/documents.ts';

const request = {
  kind: 'pin',
  run: 'a'.repeat(64),
  tree: cidOf('tree'),
  maxBytes: limits.logBytesMax,
  from: [],
};

/** A peer that sends one message; counts what is read of it. */
class Peer implements Channel {
  readonly peer: string;
  readonly answers: { kind: string; code?: string; until?: number }[] = [];
  read = 0;
  closed = false;
  readonly #message: unknown;

  constructor(peer: string, message: unknown = request) {
    this.peer = peer;
    this.#message = message;
  }

  async send(bytes: Uint8Array): Promise<void> {
    this.answers.push(JSON.parse(fromUtf8(bytes)));
  }

  async receive(): Promise<Uint8Array> {
    this.read++;
    return encodeMessage(this.#message);
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  abort(): void {
    this.closed = true;
  }
}

const clock: Clock = {
  now: () => 1_000_000,
  monotonic: () => 0,
  after: () => () => {},
  endOfTurn: queueMicrotask,
  closing: false,
  onClosing: () => () => {},
};

function serving(pin: PinServerPorts['pin'], tell: PinServerPorts['tell'] = () => {}) {
  const isController = (peer: string) => peer === controller.id;
  return pinServer({ clock, isController, pin, tell });
}

describe('a store that is asked to keep a tree', () => {
  it('keeps it for a controller, and says until when', async () => {
    const asked: unknown[] = [];
    const server = serving(async (wanted) => {
      asked.push(wanted);
      return { until: 7_000 };
    });
    const peer = new Peer(controller.id);
    await server.session(peer);
    expect(asked).toMatchObject([{ run: request.run, tree: request.tree }]);
    expect(peer.answers).toEqual([{ kind: 'pinned', tree: request.tree, until: 7 }]);
  });

  it('reads nothing of anybody else, however often it is asked, and has no line of its log for it', async () => {
    let asked = 0;
    const told: string[] = [];
    const pin = async () => {
      asked++;
      return { until: 0 };
    };
    const server = serving(pin, (_level, kind) => told.push(kind));
    for (let n = 0; n < 1_000; n++) {
      const stranger = new Peer(testKey(`stranger ${n}`).id);
      await server.session(stranger);
      expect(stranger).toMatchObject({ read: 0, closed: true, answers: [{ code: 'PIN_NOT_CONTROLLER' }] });
    }
    expect([asked, told]).toEqual([0, []]);
    await server.session(new Peer(controller.id, {}));
    expect(told).toEqual(['pin']);
  });

  it('works for a bounded number of requests at once, and for the next when one is done', async () => {
    const waiting: (() => void)[] = [];
    const server = serving(() => new Promise((resolve) => waiting.push(() => resolve({ until: 0 }))));
    const open = Array.from({ length: sessionLimits.pinsAtOnce }, () =>
      server.session(new Peer(controller.id)),
    );
    await expect.poll(() => waiting.length).toBe(sessionLimits.pinsAtOnce);
    const late = new Peer(controller.id);
    await server.session(late);
    expect(late.answers).toMatchObject([{ code: 'PIN_BUSY' }]);
    for (const done of waiting) done();
    await Promise.all(open);
    const next = new Peer(controller.id);
    const served = server.session(next);
    await expect.poll(() => waiting.length).toBe(sessionLimits.pinsAtOnce + 1);
    waiting.at(-1)?.();
    await served;
    expect(next.answers).toMatchObject([{ kind: 'pinned' }]);
  });

  it('refuses a message of another shape with a code', async () => {
    const server = serving(async () => ({ until: 0 }));
    const peer = new Peer(controller.id, { ...request, tree: 'not a CID' });
    await server.session(peer);
    expect(peer.answers).toMatchObject([{ code: 'WIRE_INVALID' }]);
  });
});
