import { fromUtf8 } from '../../../src/protocol/base/text.ts';
import type { Channel, Dial } from '../../../src/protocol/sessions/ports.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';

/** A message, as far as tests look into it. */
export interface Asked {
  kind: string;
  ids?: string[];
  after?: string;
  from?: number;
}

/** Every peer answers each message so; undefined: it closes the stream. What is thrown fails the reading. */
export function answering(answer: (asked: Asked, peer: string | null) => object | undefined): Dial {
  return async ({ id }) => {
    const answers: (() => object | undefined)[] = [];
    return {
      peer: id ?? 'whoever is there',
      closed: false,
      send: async (bytes: Uint8Array) => {
        const asked: Asked = JSON.parse(fromUtf8(bytes));
        answers.push(() => answer(asked, id));
      },
      receive: async () => {
        const said = answers.shift()?.();
        return said === undefined ? undefined : encodeMessage(said);
      },
      close: async () => {},
      abort: () => {},
    } satisfies Channel;
  };
}
