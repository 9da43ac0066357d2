// Imported first by a program that a launcher on an older Node started (runtime.js): the two are one process for whoever
// stops them. Plain JavaScript.
import { Socket } from 'node:net';
import process from 'node:process';

/** A signal that was sent to a whole group reaches this process too; it has arrived by then. */
const settleMs = 100;
/** From the launcher's end to the end of a program that does not stop by itself. */
const stopMsMax = 10_000;

const fd = Number(process.env.QUORATE_LAUNCHER_FD);
// Child processes must not inherit the descriptor's number: it is valid in this process only.
delete process.env.QUORATE_LAUNCHER_FD;
if (Number.isInteger(fd) && fd > 2) watch(fd);

/** @param {number} fd the launcher's end of it closes when the launcher dies, however it dies */
function watch(fd) {
  const heard = new Map();
  const forwarded = new Map();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT']) {
    const count = () => {
      heard.set(signal, (heard.get(signal) ?? 0) + 1);
      // No other listener: remove this one and raise the signal again, for its default action (signal(7)).
      if (process.listenerCount(signal) > 1) return;
      process.off(signal, count);
      process.kill(process.pid, signal);
    };
    process.on(signal, count);
  }
  /** The launcher got a signal. It counts once, also where this process got it as well. */
  const forward = (signal) => {
    forwarded.set(signal, (forwarded.get(signal) ?? 0) + 1);
    const raise = () => {
      if ((heard.get(signal) ?? 0) < forwarded.get(signal)) process.kill(process.pid, signal);
    };
    // After a pause of the process its timers run before its signals are read; setImmediate() runs after both.
    setTimeout(() => setImmediate(raise), settleMs).unref();
  };
  const ended = () => {
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), stopMsMax).unref();
    process.kill(process.pid, 'SIGTERM');
  };
  let line;
  try {
    line = new Socket({ fd, readable: true, writable: false });
  } catch {
    // No such descriptor: somebody else set the variable.
    return;
  }
  line.setEncoding('ascii').on('data', (text) => {
    for (const signal of text.split('\n')) if (signal !== '') forward(signal);
  });
  line.on('error', () => {}).on('close', ended);
  line.unref();
}
