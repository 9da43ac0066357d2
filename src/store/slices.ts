import { type EventLoop, Slices } from '../core/slices.ts';

const loop: EventLoop = {
  now: () => performance.now(),
  // A browser, where trees are built too, has no `setImmediate`.
  turn: (act) => (typeof setImmediate === 'function' ? setImmediate(act) : setTimeout(act)),
};

export const newSlices = (): Slices => new Slices(loop);
