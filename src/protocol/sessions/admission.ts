import { checkKind, checkLength, type messageBounds, type SendRights, turnsOf } from '../wire/bounds.ts';
import { sessionLimits, sessionTimes } from './limits.ts';
import type { MessageStream } from './message-stream.ts';
import type { Channel, Charging } from './ports.ts';
import { pause } from './timing.ts';

interface Reading {
  protocol: keyof typeof messageBounds;
  timeoutMs: number;
  /** Present standing of the peer; that of its key where it is left out. */
  sendRights?: () => SendRights;
  /** Called now and then while the peer waits, whose message has begun to arrive. */
  waiting?: () => void;
}

/** Reads what `messageBounds` lets a peer send now, no faster than it may: decided from a message's length, before its rest is read. */
export class Admission {
  readonly #ports: Charging;
  readonly #isMember: (peer: string) => boolean;

  /** `isMember`: whether a key is enrolled, or of those that a process serves. */
  constructor(ports: Charging, isMember: (peer: string) => boolean) {
    this.#ports = ports;
    this.#isMember = isMember;
  }

  sendRightsOf(peer: string): SendRights {
    return { sender: this.#isMember(peer) ? 'member' : 'anyone' };
  }

  /** The next message of a stream. @throws those of `checkLength`, `checkKind` and `MessageStream.receive`. */
  async receive<Received extends { kind: string }>(
    stream: MessageStream<never, Received>,
    reading: Reading,
  ): Promise<Received | undefined> {
    const { protocol, timeoutMs, sendRights = () => this.sendRightsOf(stream.peer) } = reading;
    const found = await stream.receiveSized({ timeoutMs, admit: this.admit(stream.channel, reading) });
    if (found === undefined) return undefined;
    const { kind } = found.message;
    checkKind(protocol, sendRights(), { kind, bytes: found.bytes });
    // It was charged as a claim.
    const turns = turnsOf(protocol, kind);
    if (turns !== 1) this.#charge(this.#accountOf(stream.channel), stream.peer, turns - 1);
    return found.message;
  }

  /** For `Channel.receive`. `account`: whose turn it is, where that is not the peer's own. */
  admit(
    from: Pick<Channel, 'peer' | 'link'>,
    {
      protocol,
      sendRights = () => this.sendRightsOf(from.peer),
      waiting = () => {},
    }: Omit<Reading, 'timeoutMs'>,
    account = this.#accountOf(from),
  ): (bytes: number) => Promise<void> {
    const { clock } = this.#ports;
    return async (bytes) => {
      checkLength(protocol, sendRights(), bytes);
      let ms = this.#charge(account, from.peer, 1 + bytes / sessionLimits.receivedBytesPerTurn);
      for (; ms > 0 && !clock.closing; ms -= sessionTimes.turnWaitMs) {
        waiting();
        await pause(clock, Math.min(ms, sessionTimes.turnWaitMs));
      }
    };
  }

  /** Keys cost nothing, so that strangers have one account for each network. */
  #accountOf({ peer, link }: Pick<Channel, 'peer' | 'link'>): string {
    return this.#isMember(peer) ? peer : (link?.network ?? peer);
  }

  /** A stranger that may send what a member may, as at a start, pays as a stranger. */
  #charge(account: string, peer: string, turns: number): number {
    return this.#ports.charge(account, turns * (this.#isMember(peer) ? 1 : sessionLimits.strangerFactor));
  }

  /** Counts an answer: what it cost is waited for before the next message of the peer is read. */
  answered(to: Pick<Channel, 'peer' | 'link'>, bytes: number): void {
    this.#ports.charge(this.#accountOf(to), bytes / sessionLimits.sentBytesPerTurn);
  }
}
