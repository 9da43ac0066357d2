import { messageOf } from '../base/errors.ts';
import type { Clock, Tell } from './ports.ts';
import { pause } from './timing.ts';

/** Between two announcements: each is a walk through the DHT, and thousands of them are in no hurry. */
const betweenMs = 1_000;

/** Announces what earlier lives announced, one after the other: a node's records end with its process. A failure is told once. */
export async function announceAgain(
  ports: { clock: Clock; announce(artifact: string): Promise<void>; tell: Tell },
  artifacts: Iterable<string>,
): Promise<void> {
  const { clock, announce, tell } = ports;
  let told = false;
  for (const artifact of artifacts) {
    if (clock.closing) return;
    try {
      await announce(artifact);
    } catch (error) {
      if (!told && !clock.closing) tell('warn', 'provide', messageOf(error));
      told = true;
    }
    await pause(clock, betweenMs);
  }
}
