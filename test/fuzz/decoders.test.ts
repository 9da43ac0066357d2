import { posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { houseFiles, importsOf, isAst, isCode, type Source, treeOf, walk } from '../tidy/house/source.ts';
import { targets } from './targets/index.ts';

const files = houseFiles();
const product = files.filter(({ path }) => /^(src|sandbox|bootstrap)\//.test(path) && isCode(path));

/** Imports of the targets, as `path name`. Nothing is imported that is not used: the linter holds that. */
const imported = new Set(
  files
    .filter(({ path }) => path.startsWith('test/fuzz/targets/'))
    .flatMap((source) =>
      importsOf(source).flatMap(({ specifier, names }) => {
        const path = posix.join(posix.dirname(source.path), specifier);
        return [path, ...names.map((name) => `${path} ${name}`)];
      }),
    ),
);
const isFuzzed = (path: string, name: string): boolean =>
  [path, posix.join(posix.dirname(path), 'index.ts')].some((from) => imported.has(`${from} ${name}`));

/** Exported names under which something is decoded. */
const decoderName =
  /^(decode|parse|read|split|verify)[A-Z]|^open(Message|Statement|Checkpoint)$|(Parser|Decoder|Lines)$/;
const isDecoder = (path: string, name: string): boolean =>
  decoderName.test(name) || (path === 'src/protocol/wire/messages.ts' && name.endsWith('Schema'));

/** Says at less cost than its tree that a file may declare one. */
const mayDeclare =
  /^export .*\b(decode|parse|read|split|verify|open)[A-Z]|^export .*(Parser|Decoder|Lines|Schema)\b/m;

/** Decoders that no target calls itself, and why not. */
const elsewhere: Record<string, string> = {
  'src/backup/manifest.ts readManifest': 'a file of the own account, by the schema and sum of parseFile',
  'src/store/check.ts readPins': 'gives the file to the reader of the list of pins',
  'sandbox/files.ts readOptional': 'gives the text of a file of the kernel as it is',
  'sandbox/cgroups/parents.ts readHierarchies': 'reads the files that parseHierarchies is given',
  'sandbox/versions/checks.ts parsePolicy': 'what apt on this machine says of its packages',
  'src/protocol/base/car.ts CarParser': 'inside of CarDecoder, which every stream goes through',
  'src/protocol/documents/canonical.ts decodeDocument': 'what each kind of document is opened with',
  'src/protocol/trust/verify.ts verifyBy': 'what verifyBundle calls, with guards taken off: for tests',
  'src/protocol/trust/verify.ts verifyInputs': 'verifies each bundle of the inputs as verifyBundle does',
  'src/protocol/transparency/hash.ts splitOf': 'splits a number',
  'src/mesh/addresses.ts parseMultiaddr':
    'addresses, of the own command line or in documents and messages that bound them',
  'src/mesh/addresses.ts parseAddress': 'as parseMultiaddr',
  'src/mesh/addresses.ts parsePeer': 'hands a PeerId to libp2p',
  'src/mesh/addresses.ts parseCid': 'hands a CID to multiformats',
  'src/protocol/lock-formats/npm.ts parseNpm': 'npm-lock',
  'src/protocol/lock-formats/pnpm.ts parsePnpm': 'pnpm-lock',
  'src/protocol/lock-formats/yarn.ts parseYarn': 'yarn-lock',
  'src/protocol/lock-formats/cargo.ts parseCargo': 'cargo-lock',
  'src/protocol/lock-formats/requirements.ts parseRequirements': 'requirements',
  'src/protocol/lock-formats/json.ts readJson': 'npm-lock',
  'src/protocol/lock-formats/yaml.ts readYaml': 'pnpm-lock',
  'src/protocol/lock-formats/integrity.ts parseSri': 'npm-lock',
  'src/protocol/lock-formats/integrity.ts parseSha256': 'cargo-lock',
  'src/dependencies/fetch/cargo-config.ts readCargoConfig': 'files of the own account',
  'src/dependencies/fetch/npm-config.ts readNpmConfig': 'files of the own account',
  'src/dependencies/thread/read.ts readLocksInThread': 'readLocks in a thread',
  'src/image/layer.ts readContent': 'gives a part of a file as it is',
  'src/image/read.ts readImage': 'image-archive, image-layer and image-manifest, one after the other',
  'src/image/read.ts readImageFrom': 'as readImage',
  'src/image/read.ts readRootArchive': 'image-layer',
  'src/protocol/base/recipe-name.ts parseRecipe': 'the name of a job file on the own command line',
  'src/http/addresses.ts parseHostPort': 'host and port on the own command line',
  'src/http/addresses.ts parseMonitorAddress': 'host and port on the own command line',
  'src/client/commands/job-list.ts jobLines': 'rows of answers that were decoded',
  'src/member/recipe.ts readLocalJobFile': 'reads the file that parseJobFile is given',
  'src/execution/images/pull/reference.ts parseReference': 'the name of an image on the own command line',
  'src/index.ts decodeBundle': 'that of src/protocol/documents',
  'src/node/files.ts readOptional': 'gives the text of a file as it is',
  'src/node/files.ts readJson': 'parses by parseFile',
  'src/node/files.ts parseFile': 'called by openHome, with the schema of a membership',
  'src/client/commands/verification.ts readIndexBytes': 'gives a file as it is, for readIndexFile',
  'src/node/artifacts/dependency-index.ts readIndexFile':
    'hands the bytes of a file to CarDecoder; the index in them is dependency-index',
  'src/client/commands/verification.ts readText':
    'gives the text of a file as it is, for decodeBundle and decodeRevocations',
  'src/protocol/base/settings-file.ts parseSettings': 'worker-file, watch-file, sign-in-file',
  'src/worker/commands/worker-file.ts readWorkerFile': 'reads the file that parseWorkerFile is given',
  'src/worker/node/hours.ts parseHours': 'worker-file',
  'src/source/commit.ts readLocalCommit': 'as readCommit, of a repository on this machine',
  'src/source/commit.ts readLocalGitFolder': 'hands the archive that tar writes to readTar',
  'src/source/git-folder.ts readThrough': 'hands a stream on as it is',
  'src/execution/images/files.ts readImageFile': 'hands a file to CarDecoder',
  'src/source/commit.ts readCommit':
    'hands the archive that git writes to readTar; what git says is in test/attacks/source',
  'src/store/directory-read.ts readDirectory':
    'reads folders on disk; names go through decodeName and splitPath',
  'src/store/nodes.ts decodeUnixNode': 'what decodeNode decodes a node with',
  'src/store/nodes.ts readNode': 'reads a block and calls decodeNode',
  'src/store/tree-walk.ts readFolderNode': 'as readNode; tree and tree-diff',
  'src/store/tree-walk.ts readShard': 'as readNode; tree and tree-diff',
  'src/store/nodes.ts readBlock': 'gives a block as it is',
  'src/forge/index.ts readSecret': 'one word in a file that only the own account may read',
  'src/http/body.ts readJson': 'sign-in-request, whose bodies it parses',
  'src/http/verify-page/app.ts verifyPageApp': 'serves a page of the own package',
  'src/http/verify-page/page-file.ts verifyPage': 'gives a page of the own package as it is',
  'src/identity/oidc/settings-file.ts readClientSecret':
    'a file that only the own account may read; what is in it is sent as it is',
  'src/watcher/node/watch-file.ts readWatchFile': 'reads the file that parseWatchFile is given',
};

/** Where foreign text or bytes become something else: the standard ways, as they are written. */
const primitives =
  /\bJSON\.parse\(|\.safeParse\(|[A-Za-z]\.parse\(|\bparseDocument\(|\bcreatePrivateKey\(|\bdecodePb\(|\.unmarshal\(|dagJson\.decode\(|\bextract\(\)|new URL\(|\bmultiaddr\(|peerIdFromString\(|\.decode\(|Number\.parseInt\(|new TextDecoder\(/;

/** Files with such a place that no target imports, and which target gets there, or why none has to. */
const reached: Record<string, string> = {
  'src/controller/sessions/lost-bundles.ts': 'documents of the own journal, spooled by this process',
  'src/protocol/base/client-address.ts': 'an IP address that the system, libp2p or isIP has parsed',
  'src/journal/end-mark.ts':
    'a number that this process wrote beside its journal; flipped bits of it are a test',
  'src/backup/journals.ts': 'events of a copy of a journal, each with its checksum',
  'src/client/commands/fetch.ts': 'a CID on the own command line',
  'src/client/commands/diff.ts': 'a CID on the own command line',
  'src/client/commands/comparison-report.ts': 'what diffoscope writes is terminal-lines',
  'src/client/commands/sbom.ts': 'a CID on the own command line',
  'src/protocol/interop/bom.ts': 'a digit of a hash that was computed here',
  'src/node/artifacts/dependency-index.ts':
    'the CID of a job that was decoded; blocks are car-stream, their index is dependency-index',
  'src/http/static-files.ts': 'addresses of own files',
  'src/http/static/diff-bytes.js': 'page-difference',
  'src/http/static/page.js': 'times in a page that the server made',
  'src/controller/node/bundles-view.ts': 'a time in a bundle that was verified',
  'src/controller/node/page-parts.ts': 'the CID of a tree that a verdict was about',
  'src/controller/node/kept-indexes.ts': 'the CID of a job that was decoded',
  'src/store-node/commands/store.ts': 'a CID on the own command line',
  'src/owner/commands/revoke.ts': 'a name, a PeerId or a CID on the own command line',
  'src/client/commands/try.ts': 'what a build wrote; its lines are terminal-lines',
  'src/store-node/node/evidence.ts': 'a time in a bundle that was verified',
  'src/protocol/base/time.ts':
    'an ISO time, whose form a schema has checked and which the date gives back as it was',
  'src/jobfile/foreign/reading.ts': 'foreign-job-file',
  'src/jobfile/foreign/shared.ts': 'foreign-job-file',
  'src/protocol/base/settings-file.ts': 'worker-file, watch-file, sign-in-file',
  'src/program.ts': 'the own package.json',
  'src/source/serve-folder.ts': 'four digits of a packet from this machine; test/source/serve-folder.test.ts',
  'src/protocol/documents/base.ts': 'peer-id; CIDs are part of every document',
  'src/protocol/documents/canonical.ts': 'canonical, and every document',
  'src/protocol/transparency/checkpoint.ts': 'checkpoint',
  'src/identity/compact-jws.ts': 'every document: what verifies it',
  'src/dependencies/fetch/get.ts':
    'addresses that others checked; redirects are in test/dependencies/fetch.test.ts',
  'src/dependencies/fetch/npm-config.ts': 'what npm of this host prints',
  'src/dependencies/thread/ask.ts': 'the address of an own file',
  'src/dependencies/layout/npm.ts': 'addresses of entries that npm-lock and yarn-lock checked',
  'src/dependencies/layout/tar.ts': 'crate',
  'src/protocol/lock-formats/json.ts': 'npm-lock',
  'src/protocol/lock-formats/yaml.ts': 'pnpm-lock',
  'src/protocol/lock-formats/yarn.ts': 'yarn-lock',
  'src/protocol/pipeline/expand.ts': 'job-file',
  'src/jobfile/parse.ts': 'job-file',
  'src/source/repository.ts': 'octal digits in the first header of the archive that git writes; others are 0',
  'src/jobfile/schema.ts': 'job-file',
  'src/index.ts': 'an object of the calling program, as text; that is bundle',
  'src/http/verify-page/browser/ask-server.ts':
    'the address that the person on the page typed; what it answers is revocations',
  'src/owner/commands/image.ts': 'a CID on the own command line',
  'src/execution/images/pull/credentials.ts': 'files of the own account',
  'src/execution/images/pull/registry.ts':
    'addresses whose parts were parsed; challenges and tokens are registry-challenge and registry-token',
  'src/execution/images/pull/registry-blobs.ts':
    'which of two kinds a manifest is; its fields are image-manifest',
  'src/execution/images/cache.ts': 'the CID of a job that was decoded',
  'src/execution/images/files.ts': 'notes this machine wrote itself; the archive beside one is car-stream',
  'src/store/pin-log.ts': 'lines that the store wrote itself, each with a checksum',
  'src/journal/index.ts': 'events the node wrote itself; the documents in them were opened before',
  'src/watcher/machine/state.ts': 'a state the watcher wrote itself, in its journal',
  'src/watcher/machine/hook-ledger.ts': 'hook-journal',
  'src/node/leaf-file.ts': 'lines the node wrote itself; as the wire takes them, wire-api-down',
  'src/mesh/peer-exchange.ts': 'mesh-streams',
  'src/mesh/addresses.ts': 'mesh-streams: addresses of peers',
  'src/mesh/relay-reservation.ts': 'an address made of parts that were parsed',
  'src/node/artifacts/bundles.ts': 'bundles that were verified before they were stored',
  'src/controller/sessions/log-server.ts': 'mesh-streams; its lines are terminal-lines',
  'src/controller/node/log-files.ts': 'a log that a worker kept; its lines are terminal-lines',
  'src/node/files.ts': 'membership-file',
  'src/execution/dependency-tree.ts':
    'the CID of a block that the transfer asked for; its index is dependency-index',
  'src/member/job-in-tree.ts': 'job-file',
  'src/member/recipe.ts': 'job-file',
  'src/client/lock.ts': 'job-file',
  'src/execution/source-url.ts': 'git-url: what it parses is the URL that came of it',
  'src/node/control-socket.ts': 'a line of the own user, on a socket in a folder that nobody else may enter',
  'src/controller/node/control.ts': 'that line',
  'src/worker/node/control.ts': 'that line',
  'src/node/artifacts/transfer.ts': 'cid',
  'src/worker/node/leave.ts': 'the charter of a bundle that the own node verified; it throws nothing',
  'src/dependencies/fetch/agent.ts': 'URLs of the own package managers, and those that were parsed',
  'src/source/working-tree.ts': 'names of files that the own git lists',
  'src/egress/proxy.ts': 'egress-proxy',
  'src/image/tar-entries.ts': 'image-layer and image-archive',
  'src/source/url.ts': 'git-url',
  'src/store/bitswap.ts': 'a PeerId of a connected peer',
  'src/protocol/documents/identity.ts': 'the -jws and -payload targets of each kind of message',
  'src/forge/api.ts': 'forge-answer-forgejo, forge-answer-gitlab and forge-answer-pagure',
  'src/forge/webhook.ts': 'webhook-github and its neighbours, one for each forge',
  'src/worker/page/guard.ts': 'lender-page',
  'src/worker/page/page.ts': 'times that the worker wrote itself',
  'src/http/sign-in/browser-routes.ts': 'sign-in-request',
  'src/http/sign-in/cookies.ts': 'sign-in-request; the URL in it is that of sign-in.toml',
  'src/http/sign-in/guard.ts': 'sign-in-request',
  'src/http/body.ts': 'sign-in-request',
  'src/http/sign-in/service-routes.ts': 'sign-in-request',
  'src/http/sign-in/open.ts': 'the address of the issuer in sign-in.toml: sign-in-file',
  'src/http/verify-page/browser/check.ts':
    'what a person types into the page; files are verify-page-folder and verify-page-file, the bundle is bundle',
  'src/http/verify-page/page-file.ts': 'addresses of own files, and a page of the own package',
  'src/identity/oidc/bounded-fetch.ts': 'oidc-provider and oidc-device',
  'src/identity/oidc/settings-file.ts':
    'the list of ended sessions, which the own account writes; sign-in.toml is sign-in-file',
  'src/controller/node/store-ports.ts': 'the CID in a verdict that was opened; blocks are car-stream',
  'src/watcher/node/control.ts': 'that line; control-socket is fed to a worker',
  'sandbox/native/index.ts': 'the address of an own file',
  'sandbox/cgroups/leftovers.ts': 'notes the sandbox wrote itself, each of whose paths is checked',
};

function exportedNames(source: Source): string[] {
  const names: string[] = [];
  walk(treeOf(source), (node) => {
    if (node.type !== 'ExportNamedDeclaration' || !isAst(node.declaration)) return;
    const { id, declarations } = node.declaration;
    const all = Array.isArray(declarations) ? declarations.filter(isAst).map((one) => one.id) : [id];
    for (const one of all) if (isAst(one) && typeof one.name === 'string') names.push(one.name);
  });
  return names;
}

describe('no decoder is forgotten', () => {
  const decoders = product
    .filter(({ text }) => mayDeclare.test(text))
    .flatMap((source) =>
      exportedNames(source)
        .filter((name) => isDecoder(source.path, name))
        .map((name) => ({ path: source.path, name })),
    );

  const places = product.filter(({ text }) => primitives.test(text.replace(/^import .*$/gm, '')));

  it('has found them', () => expect(decoders.length).toBeGreaterThan(50));

  it('each is called by a target, or it is said why not', () => {
    const missing = decoders
      .filter(({ path, name }) => !isFuzzed(path, name) && !(`${path} ${name}` in elsewhere))
      .map(({ path, name }) => `${path} ${name}`);
    expect(missing).toEqual([]);
  });

  it('each place where foreign input is parsed is reached by a target, or it is said why not', () => {
    expect(places.length).toBeGreaterThan(25);
    const missing = places
      .map(({ path }) => path)
      .filter((path) => !imported.has(path) && !(path in reached));
    expect(missing).toEqual([]);
  });

  it('says nothing of what is not there, or is fuzzed after all', () => {
    const there = new Set(decoders.map(({ path, name }) => `${path} ${name}`));
    const stale = Object.keys(elsewhere).filter((one) => {
      const [path = '', name = ''] = one.split(' ');
      return !there.has(one) || isFuzzed(path, name);
    });
    const paths = new Set(places.map(({ path }) => path));
    expect([...stale, ...Object.keys(reached).filter((path) => !paths.has(path))]).toEqual([]);
  });

  it('each target has a name of its own', () => {
    const names = targets.map(({ name }) => name);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });
});
