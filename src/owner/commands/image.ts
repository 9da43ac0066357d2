import { join, resolve } from 'node:path';
import { Option } from 'commander';
import type { MadeImage } from '../../execution/images/make.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { type Context, type Define, defineCommand } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { bytes } from '../../terminal/format.ts';
import { TransferRow } from '../../terminal/transfer-row.ts';
import { packages, several } from '../../terminal/values.ts';
import { findProject, playedHere } from '../project.ts';

type Arch = 'x86_64' | 'aarch64';

export const image: Define = (program, act) => {
  const group = defineCommand(program, 'image', {
    summary: 'make root file systems to build in',
    description:
      'A job with "image: <cid>" builds in a root file system of its own, the same on every worker. Images are kept in .quorate/images of the project, from where the controller serves them; outside of a project in the home folder, for "quorate try".',
    examples: ['quorate image build --include gcc,libc6-dev,make', 'quorate image import gcc.tar'],
  });
  defineCommand(group, 'build', {
    summary: 'make one of Debian packages',
    description:
      'Makes an image of Debian packages, with mmdebstrap. The same packages give the same CID on each host and at any time.',
    examples: ['quorate image build --include gcc,libc6-dev,make'],
  })
    .option('--suite <name>', 'of Debian', 'trixie')
    .option('--include <packages>', 'besides the essential ones, by commas; repeatable', packages)
    .option('--mirror <url>', 'where packages come from (default: as apt does here); repeatable', several)
    .action(act(build));
  defineCommand(group, 'import', {
    summary: 'make one of what a container tool wrote',
    description:
      'Makes an image of an OCI image layout (a folder, or a tar of one) or of what "docker save" writes. Every digest is checked.',
    examples: ['docker save -o gcc.tar gcc && quorate image import gcc.tar'],
  })
    .argument('<path>', 'the folder or the tar file')
    .option('--name <name>', 'which, where it holds several')
    .addOption(archOption())
    .action(act(importFrom));
  defineCommand(group, 'pull', {
    summary: 'make one of an image in a registry',
    description:
      'Makes an image of one in a container registry, named by its digest. Every digest is checked. Layers are fetched once and kept in the home folder. Credentials are those of skopeo, podman or docker.',
    examples: ['quorate image pull registry.example/tools/gcc@sha256:4f53…'],
  })
    .argument('<image>', 'HOST/NAME@sha256:…')
    .addOption(archOption())
    .option('--plain-http', 'ask without TLS; a registry on this machine is asked so anyway')
    .action(act(pull));
  defineCommand(group, 'list', {
    summary: 'list the images there are here',
    description:
      'Lists the images of the project, or outside of one those in the home folder; then those that "quorate try" and workers keep ready in the home folder.',
    examples: ['quorate image list'],
  }).action(act(list));
  defineCommand(group, 'remove', {
    summary: 'remove an image here',
    description:
      'Removes an image of the project, and what is ready of it in the home folder; a running controller keeps what it has until it ends.',
    examples: ['quorate image remove bafybei…'],
  })
    .argument('<cid>', 'which')
    .action(act(remove));
};

const archOption = (): Option =>
  new Option('--arch <arch>', 'the processor it is for')
    .choices(['x86_64', 'aarch64'])
    .default(process.arch === 'arm64' ? 'aarch64' : 'x86_64', 'that of this machine');

async function folderOf({ cwd, home }: Context): Promise<string> {
  const { imagesFolder } = await import('../../execution/images/files.ts');
  const project = (await findProject(cwd)) ?? (await playedHere(cwd));
  return imagesFolder(project === undefined ? home : resolve(project, '.quorate'));
}

async function build(
  context: Context,
  { suite, include = [], mirror = [] }: { suite: string; include?: string[]; mirror?: string[] },
): Promise<Exit> {
  if (!/^[a-z][a-z0-9.-]{0,40}$/.test(suite) || mirror.some((one) => !/^(https?|file):\/|^deb /.test(one)))
    throw new QuorateError('CLI_USAGE', 'a suite is a name such as trixie, a mirror a URL', {
      hint: 'A mirror may also be a whole line of sources.list, in quotes: --mirror "deb …"',
    });
  const { makeDebianImage } = await import('../../execution/images/make.ts');
  const { out, signal } = context;
  const board = out.board();
  const onLine = (line: string) => board.set('image', { text: escapeLine(line.replace(/^I: /, ''), 120) });
  const dir = await folderOf(context);
  const making = makeDebianImage({ dir, suite, include, mirrors: mirror, onLine, signal });
  return say(context, await making.finally(() => board.end()));
}

const steps = {
  fetch: 'fetching its layers',
  layers: 'unpacking its layers',
  files: 'storing its files',
} as const;

async function importFrom(
  context: Context,
  path: string,
  { name, arch }: { name?: string; arch: Arch },
): Promise<Exit> {
  const { importImage } = await import('../../execution/images/make.ts');
  const from = resolve(context.cwd, path);
  return made(context, (how) => importImage({ ...how, path: from, name, arch }));
}

async function pull(
  context: Context,
  reference: string,
  { arch, plainHttp = false }: { arch: Arch; plainHttp?: boolean },
): Promise<Exit> {
  const { pullImage } = await import('../../execution/images/pull/pull.ts');
  const cache = join(context.home, 'image-layers');
  const { env } = process;
  return made(context, (how) => pullImage({ ...how, reference, arch, plainHttp, cache, env }));
}

interface How {
  dir: string;
  signal: AbortSignal;
  onProgress(step: keyof typeof steps, done: number, total: number | undefined): void;
}

async function made(context: Context, make: (how: How) => Promise<MadeImage>): Promise<Exit> {
  const dir = await folderOf(context);
  const row = new TransferRow(context.out);
  const onProgress: How['onProgress'] = (step, done, total) => row.set(steps[step], done, total);
  const making = make({ dir, signal: context.signal, onProgress });
  return say(context, await making.finally(() => row.end()));
}

function say({ out }: Context, image: MadeImage): Exit {
  const { bold, green } = out.colours;
  out.value({ ...image });
  out.say(
    `image ${bold(green(image.image))}`,
    `${bytes(image.bytes)} in ${image.files} files`,
    'For a job of quorate.yaml:',
    `    image: ${image.image}`,
  );
  return exits.done;
}

async function list(context: Context): Promise<Exit> {
  const { listImageFiles } = await import('../../execution/images/files.ts');
  const { imageCacheFolder, readyImages } = await import('../../execution/images/cache-folder.ts');
  const { home, out } = context;
  const images = await listImageFiles(await folderOf(context));
  const found = await readyImages(imageCacheFolder(home));
  const ready = found.map(({ image, bytes, used }) => ({ image, bytes, used: new Date(used).toISOString() }));
  out.value({ images, ready });
  const rowsOfMade = images.map((one) => [
    one.image,
    bytes(one.bytes),
    one.made.slice(0, 10),
    escapeLine(one.of, 60),
  ]);
  if (rowsOfMade.length === 0) out.say('none');
  out.table(rowsOfMade);
  if (ready.length === 0) return exits.done;
  const rows = ready.map((one) => [one.image, bytes(one.bytes), `used ${one.used.slice(0, 10)}`]);
  out.say(`Ready to be built in, in ${imageCacheFolder(home)}:`);
  out.table(rows);
  return exits.done;
}

async function remove(context: Context, cid: string): Promise<Exit> {
  const { hasImageFile, removeImageFile } = await import('../../execution/images/files.ts');
  const { imageCacheFolder, readyImages, evictImage } = await import(
    '../../execution/images/cache-folder.ts'
  );
  const { cid: schema } = await import('../../protocol/documents/base.ts');
  if (!schema.safeParse(cid).success)
    throw new QuorateError('CLI_USAGE', `"${cid.slice(0, 120)}" is not the CID of an image`, {
      hint: 'quorate image list shows those there are.',
    });
  const cache = imageCacheFolder(context.home);
  const isReady = (await readyImages(cache)).some(({ image }) => image === cid);
  if (isReady && !(await evictImage(cache, cid)))
    throw new QuorateError('IMAGE_IN_USE', `a build uses the image ${cid} now`, {
      hint: 'Try again when it has ended.',
    });
  const folder = await folderOf(context);
  if (!isReady || hasImageFile(folder, cid)) await removeImageFile(folder, cid);
  context.out.value({ removed: cid });
  context.out.say(`removed ${cid}`);
  return exits.done;
}
