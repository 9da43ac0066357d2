import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished, vi } from 'vitest';
import { tarRecordBytes } from '../../../sandbox/run/driver.ts';
import type { BuildProcess } from '../../../sandbox/run/process.ts';
import { VmBoot } from '../../../sandbox/vm/boot.ts';

const mark = Buffer.from('\0the mark');

/** Waits until every pending callback has run that needs no timer. */
async function turns(): Promise<void> {
  for (let n = 0; n < 20; n++) await new Promise(setImmediate);
}

/** A machine whose guest does what it is told. */
function machine() {
  const ended = Promise.withResolvers<void>();
  const streams = {
    input: new PassThrough(),
    log: new PassThrough(),
    diagnostics: new PassThrough(),
    status: new PassThrough(),
    outputs: new PassThrough(),
  };
  const end = (): void => {
    for (const stream of [streams.log, streams.diagnostics, streams.status, streams.outputs]) stream.end();
    ended.resolve();
  };
  return {
    ...streams,
    end,
    ended: () => ended.resolve(),
    killed: false,
    child: { ended: ended.promise, kill: () => end() },
  };
}

function booting(machines: ReturnType<typeof machine>[], bootMs = 10_000) {
  let started = 0;
  const boot = new VmBoot(() => machines[started++] as unknown as BuildProcess, {
    bootMs,
    attempts: 2,
    mark,
  });
  return { boot, started: () => started };
}

it('output of the guest after its first word is the build’s, and no input is sent before', async () => {
  const only = machine();
  const { boot } = booting([only]);
  boot.input.write('source');
  await turns();
  expect(only.input.readableLength).toBe(0);
  only.status.write('booted\nready\n');
  only.log.write('hello');
  await once(only.input, 'readable');
  expect(only.input.read().toString()).toBe('source');
  only.outputs.write(mark);
  only.end();
  expect(await Promise.all([text(boot.status), text(boot.log), text(boot.outputs)])).toEqual([
    'ready\n',
    'hello',
    '',
  ]);
  await boot.child.ended;
});

it('the input is filled up to a whole record, and is not ended', async () => {
  const only = machine();
  const { boot } = booting([only]);
  only.status.write('booted\n');
  let bytes = 0;
  only.input.on('data', (chunk: Buffer) => {
    bytes += chunk.byteLength;
  });
  // One read of the driver's tar.
  expect(tarRecordBytes).toBe(128 * 1024);
  boot.input.end(Buffer.alloc(tarRecordBytes + 1, 'x'));
  await new Promise((resolve) => boot.input.once('finish', resolve));
  expect(bytes).toBe(2 * tarRecordBytes);
  expect(only.input.writableEnded).toBe(false);
  only.end();
});

it('a machine that does not come up is ended and started once more', async () => {
  const [first, second] = [machine(), machine()];
  const { boot, started } = booting([first, second], 20);
  boot.input.write('source');
  second.status.write('booted\n');
  await first.child.ended;
  await once(second.input, 'readable');
  expect(started()).toBe(2);
  expect([first.input.readableLength, second.input.read()?.toString()]).toEqual([0, 'source']);
  second.end();
  await boot.child.ended;
});

it('after the second there is an end, with what the machine said', async () => {
  const [first, second] = [machine(), machine()];
  const { boot } = booting([first, second], 20);
  second.diagnostics.write('Kernel panic');
  const complaint = await text(boot.diagnostics);
  expect(complaint).toContain('did not start');
  expect(complaint).toContain('Kernel panic');
  await boot.child.ended;
});

it('one whose complaints break off is started once more', async () => {
  const [first, second] = [machine(), machine()];
  const { boot, started } = booting([first, second]);
  first.ended();
  await turns();
  first.diagnostics.destroy(new Error('read ECONNRESET'));
  await expect.poll(started).toBe(2);
  second.status.write('booted\n');
  await turns();
  second.end();
  await boot.child.ended;
});

it('time stands still for a frozen machine', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const only = machine();
  const { boot, started } = booting([only, machine()], 40);
  boot.pause(true);
  await vi.advanceTimersByTimeAsync(80_000);
  expect(started()).toBe(1);
  boot.pause(false);
  await vi.advanceTimersByTimeAsync(40);
  await only.child.ended;
  boot.child.kill();
});

it('one that was ended is not started again', async () => {
  const { boot, started } = booting([machine(), machine()]);
  boot.child.kill();
  await boot.child.ended;
  expect(started()).toBe(1);
});

it('one that stands still because the processor’s help does not work is not waited for', async () => {
  const [first, second] = [machine(), machine()];
  const { boot, started } = booting([first, second], 60_000);
  first.diagnostics.write('KVM internal error. Suberror: 1\nemulation failure\n');
  await first.child.ended;
  second.diagnostics.write('KVM internal error. Suberror: 1\nemulation failure\n');
  expect(await text(boot.diagnostics)).toContain('emulation failure');
  await boot.child.ended;
  expect(started()).toBe(2);
});

it('a guest that talks without end and never says the word gets no more than its time', async () => {
  const [first, second] = [machine(), machine()];
  const { boot } = booting([first, second], 30);
  const talk = setInterval(() => {
    for (const one of [first, second]) if (!one.status.writableEnded) one.status.write('x'.repeat(100_000));
  }, 1);
  await boot.child.ended;
  clearInterval(talk);
});

it('a machine is ended when log and outputs have come to their marks, and not before', async () => {
  const only = machine();
  const { boot } = booting([only]);
  let ended = false;
  void boot.child.ended.then(() => {
    ended = true;
  });
  only.status.write('booted\nexit 0\ncomplete\n');
  only.log.write('log\0the ma');
  only.log.write('rk and after');
  const big = 'x'.repeat(200_000);
  only.outputs.write(big);
  only.outputs.write(mark);
  only.status.write('over\n');
  expect(await text(boot.log)).toBe('log');
  await turns();
  expect(ended).toBe(false);
  expect(await text(boot.outputs)).toBe(big);
  await boot.child.ended;
  expect(await text(boot.status)).toBe('exit 0\ncomplete\n');
});
