import type { ComponentLogger, Logger } from '@libp2p/interface';

/**
 * Drops all log messages. The default logger of libp2p inspects the terminal and picks a colour for each stream, which costs
 * as much processor time as encrypting a short stream.
 */
const silent: Logger = Object.assign(() => {}, {
  error: () => {},
  trace: () => {},
  enabled: false,
  newScope: () => silent,
});

export const silentLogger: ComponentLogger = { forComponent: () => silent };
