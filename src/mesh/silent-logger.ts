import type { ComponentLogger, Logger } from '@libp2p/interface';

/**
 * A log that nobody reads. The library otherwise makes a logger of its `debug` kind for every stream, which looks at the
 * terminal and picks a colour each time: with many short streams that is as dear as to encrypt them.
 */
const silent: Logger = Object.assign(() => {}, {
  error: () => {},
  trace: () => {},
  enabled: false,
  newScope: () => silent,
});

export const silentLogger: ComponentLogger = { forComponent: () => silent };
