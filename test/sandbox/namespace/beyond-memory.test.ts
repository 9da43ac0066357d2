import { expect, it, onTestFinished } from 'vitest';
import { hasLoopDevices } from '../../support/loop-device.ts';
import { exited, MiB, play, tempFolder, unprobed } from '../support.ts';

it.skipIf(!hasLoopDevices)(
  '1 GB of node_modules is written and read in 512 MB of memory, as root with loop devices',
  async () => {
    const folder = await tempFolder();
    onTestFinished(() => folder.remove());
    const sandbox = unprobed(folder.path);
    const write = 'mkdir node_modules; cd node_modules; head -c 1073741824 /dev/zero | split -b 65536 -a 4';
    const limits = { memoryBytes: 512 * MiB, diskBytes: 1536 * MiB, seconds: 600, cpus: 2 };
    const ran = await play(sandbox, [`${write}; ls | wc -l; cat * | wc -c`], { limits });
    expect(ran.outcome).toEqual(exited(0));
    expect(ran.log).toBe('16384\n1073741824\n');
  },
);
