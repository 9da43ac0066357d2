import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { askWorker, askWorkers, isWorkerRunning, serveControl } from '../../../src/worker/node/control.ts';
import { folder } from '../../support/code-and-folder.ts';
import { idleOperator } from '../../support/operator.ts';

const [one, other] = ['project-number-one', 'project-number-two'];

it('the worker of a home is asked, of several the one that is named, and none is an error', async () => {
  const home = await folder();
  await expect(askWorker(home, undefined, { do: 'status' })).rejects.toMatchObject({
    code: 'PROCESS_NOT_RUNNING',
  });
  await expect(askWorker(home, one, { do: 'status' })).rejects.toMatchObject({
    code: 'PROCESS_NOT_RUNNING',
    message: expect.stringContaining('no worker answers'),
  });
  const operator = idleOperator();
  onTestFinished(await serveControl(home, one, operator));
  expect((await askWorker(home, undefined, { do: 'pause' })).status.state).toBe('paused');
  await expect(askWorker(home, 'tools', { do: 'status' })).rejects.toMatchObject({
    code: 'PROCESS_NOT_RUNNING',
    message: `no worker of tools runs from ${home}`,
    hint: expect.stringContaining('the id of a project'),
  });
  onTestFinished(await serveControl(home, other, idleOperator()));
  await expect(askWorker(home, undefined, { do: 'status' })).rejects.toMatchObject({
    code: 'MEMBERSHIP_AMBIGUOUS',
  });
  const states = (await askWorkers(home)).map(({ project, answer }) => [project, answer.status.state]);
  expect(states.sort()).toEqual([
    [one.slice(-12), 'paused'],
    [other.slice(-12), 'working'],
  ]);
  expect([await isWorkerRunning(home, one), await isWorkerRunning(home, 'a-third-project')]).toEqual([
    true,
    false,
  ]);
  await expect(askWorker(home, one, { do: 'limits', unknown: 1 } as never)).rejects.toMatchObject({
    code: 'CONTROL_REQUEST_INVALID',
  });
  await expect(askWorker(home, one, { do: 'allow', host: 'no host' })).rejects.toMatchObject({
    code: 'CONTROL_REQUEST_INVALID',
  });
  const limited = await askWorker(home, one, { do: 'limits', memoryBytes: 2 ** 27 });
  expect(limited.status.lending.memoryBytes).toBe(2 ** 27);
});

it('a worker that does not answer is lost, and left out of a list', async () => {
  const home = await folder();
  await mkdir(join(home, 'control'));
  const server = createServer((socket) => socket.on('error', () => {}).end());
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) =>
    server.listen(join(home, 'control', `${one.slice(-12)}.sock`), resolve),
  );
  await expect(askWorker(home, one, { do: 'status' })).rejects.toMatchObject({ code: 'CONTROL_LOST' });
  expect(await askWorkers(home)).toEqual([]);
});
