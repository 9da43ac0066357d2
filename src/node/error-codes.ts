const runtimeErrors = {
  BACKUP_FOLDER_REFUSED:
    'The folder is not one for this backup or restore: it is taken, lies in the home that is copied, is not the home of that process, or holds no whole backup, or that of another process; the message says which. Name another folder, or use the command of that process.',
  CONTROL_LOST:
    'The running process was reached but did not answer in time. It may be ending, or be too busy; ask again.',
  CONTROL_REQUEST_INVALID:
    'The control socket received a request that it does not know. Use a `quorate` of the same version as the running process.',
  CONTROL_UNAVAILABLE:
    'The process cannot make its control socket: its home folder has to be writable, on a file system that can hold sockets, at a path short enough for one (107 bytes). `--home` names another.',
  EXPORT_TOO_LARGE:
    'Listing what an artifact was made from takes more time or memory than this server gives. Fetch the bundle, and list it yourself: `quorate sbom`.',
  HOME_DAMAGED:
    "A file in a home folder or a project's folder does not hold what was written to it, or what it is named by. The message names the file, and the hint says what mends it.",
  IMAGE_REFERENCE_INVALID:
    'The text names no image of a registry by its digest. Give it as `HOST/NAME@sha256:…`: no registry is assumed, and a tag names another image tomorrow. The hint names the digest that a tag has now.',
  JOBFILE_JOB_NOT_FOUND:
    'The job file has no job of this name, or several jobs and none was named. `quorate plan` lists them.',
  LIMITS_INVALID:
    'More would be lent than the host has, or two limits cannot hold at once; the message names the limit, with the line of `worker.toml` where it is from there. Change that one.',
  MEMBERSHIP_AMBIGUOUS:
    'This host belongs to several projects, or several workers run from one home folder; the message names them. Say which: `--project`, with its name or id. `quorate worker leave` leaves one.',
  PROCESS_NOT_RUNNING:
    'No process of that kind runs from that home folder, or it belongs to another account; the message names it. Start it: `quorate join` starts a worker, `quorate watch` a watcher.',
  TIMED_OUT:
    'The other hosts that had to be asked did not answer in the time for all of it. Try again; what the controller prints says whether it is overloaded.',
  STORE_NOT_PINNED:
    'The store keeps no such tree. `quorate worker status` and the event `damaged` name those that are damaged; in a project the store is that of the controller, with `--worker` that of the home folder.',
  ARTIFACT_NOT_FOUND:
    'No host that could be reached has the artifact or its bundle, or none could be reached: the message says which. Check the CID, and that the controller or a worker is up.',
  BACKUP_DAMAGED:
    'A file of a backup is missing, or is not as it was written. A restore takes nothing of such a backup. Go on with an older one.',
  BACKUP_UNWRITABLE:
    'A backup, or a home that is restored, cannot be written: no room, no permission, or another command makes it. Nothing is left of it, and what was there is untouched.',
  CHARTER_NEEDS_ROOT:
    "Only the root key signs a charter, and it is not in the project's folder. Put `root.key` into `.quorate/` for this one command.",
  COMPARE_FILE_UNREADABLE:
    'A file that is compared cannot be read, or changed while it was read. Check its permissions, and compare again.',
  COMPARE_KINDS:
    'One side is a file and the other a folder of several files. Name the file of the artifact: `quorate diff <cid>/<path> FILE`, or compare with a folder.',
  COMPARE_PATH_UNKNOWN:
    'The artifact has no file or folder at the path that was given, or none of the name of the file that it is compared with. Name it: `quorate diff <cid>/<path> FILE`.',
  COMPARE_TOO_LARGE:
    'The archives that are compared unpack to more bytes or members than the limit. `quorate diff` says so of the file, and that its bytes differ.',
  CONTROLLER_NOT_RUNNING:
    'No controller of this project answers on this host. Start it with `quorate controller`, or `quorate up`; one that another account runs is asked by that account.',
  CONTROLLER_STARTING:
    'A controller of this project has its journal open and does not answer: it starts or ends. Ask again in a minute.',
  CONTROLLER_LOST: 'The connection to the controller broke. The job goes on; follow it again.',
  DEPENDENCY_INDEX_MISMATCH:
    'The index does not lead from the dependencies that the signed job names: the file was changed or is damaged, or belongs to another artifact. Nothing of it is shown. Get it again: `quorate fetch --index-out`.',
  DEPENDENCY_INDEX_MISSING:
    'The job of the artifact has dependencies. What they are stands in an index that is no part of the bundle: name the file that `quorate fetch --index-out` wrote, with `--index`.',
  HOME_IN_USE:
    'Another worker runs from this home folder, for another project. A home has one key, and a key is one node of the network: run the second worker from a home of its own, `quorate join <ticket> --home <folder>`, which needs a ticket for the key of that home.',
  HOME_UNREADABLE:
    'A file in the home folder, or the folder of a project, cannot be read. Correct its permissions, or name another home with `--home`.',
  HOME_UNWRITABLE:
    'The home folder cannot be written. It must be writable by you and have room; `--home` names another.',
  HTTP_FEED_FAILED:
    "The controller's HTTP feed did not answer, or not what it should. The worker asks again, ever more slowly; until then it hears of work by gossip and by its stream to the controller, or not at all.",
  IDPS_FULL:
    'The charter names as many identity providers as it can. Drop those of before: `quorate rotate idp --finish`.',
  IDP_ADDRESS_NEEDED:
    'The key of the identity provider is not in the folder of the project: its process runs elsewhere. Say where: `quorate controller --idp <address>`. Where it was to run here, put `idp.key` back.',
  IDP_CHARTER_NEEDED:
    'The folder of the identity provider has no charter yet. Give the one that `quorate init --idp` signed: `quorate idp --charter charter.jws`.',
  IDP_KEY_APART:
    'The key of the identity provider is not in this folder: it is on the host of `quorate idp`. Tickets and revocations are signed there, and that key is replaced there.',
  IDP_KEY_HERE:
    'The identity provider is to run apart, and its key is in the folder of the controller: whoever takes that process over would have it. Move the key to the host of `quorate idp`, or leave `--idp` away.',
  IDP_KEY_NOT_NAMED:
    'The charter does not name the key of this folder as an identity provider. Make the project with it: `quorate init --idp <PeerId>`, with what `quorate idp init` printed.',
  LOGIN_REFUSED:
    'What the service answers is not what one that people sign in at answers, or it says that it is another one. Check the address with the owner.',
  LOGIN_UNREACHABLE: 'The service to sign in at cannot be reached. Check its address and the network.',
  LOGIN_URL_INVALID: 'The address to sign in at is none, or has no TLS. http is for this host only.',
  IMAGE_CREDENTIALS:
    'A file with credentials for registries cannot be read; the message names it. Log in again: `skopeo login` or `docker login`.',
  IMAGE_PULL_DENIED:
    'The registry wants credentials, or does not accept those that container tools have on this host. Log in: `skopeo login` or `docker login`.',
  IMAGE_PULL_FAILED:
    'The image could not be had from its registry; the message says what it answered. What was fetched is kept: pulling again goes on there.',
  IMAGE_PULL_MISMATCH:
    'The registry sends bytes that do not have the digest they are named by. Do not use the image before you know who changed it.',
  IMAGE_NOT_READY:
    'The controller is reading the image of the job, which takes a moment when it is asked for the first time, and got no further for a minute. Publish the job again.',
  IMAGE_UNKNOWN:
    'That image is not here. The owner brings it in the project: `quorate image build` or `quorate image import`; `quorate image list` shows those there are.',
  JOB_FILE_MISMATCH:
    'The evidence is about another job than the job file says (`verify --job-file`): other commands, another policy, other needs, or a file with another digest than the request names. The publisher took another file, or none. Compare the job in the bundle with the file.',
  JOBFILE_NOT_FOUND:
    'There is no `quorate.yaml` at that commit. `quorate init` writes one; commit it, and push it unless `quorate up` runs here.',
  LIMITS_NOT_ENFORCEABLE:
    'The operator sets a limit that the kernel of this host cannot enforce; the message says which and what is missing. No job is taken while a limit is not enforced: leave it out, or mount that controller.',
  MEMBERSHIP_NOT_FOUND:
    "This host has joined no project, or not the one named. Ask its owner for a ticket, then `quorate join <ticket>`; owners run commands in their project's repository. To fetch an artifact none is needed: give both `--project` and `--bootstrap`.",
  NOT_TRUSTED:
    'The artifact is not `trusted`, so it is not fetched; the message says why, and of what was built at another ref or from another repository, which. If it is `agreed`, the trusted worker has not confirmed it yet: try again when it has.',
  PROJECT_EXISTS:
    'The folder holds a project already. `quorate charter set` changes it, `quorate controller` runs it.',
  PROJECT_FOREIGN:
    'The `.quorate/` here came with a repository, or what `quorate up` plays is of another user: keys, members and settings are theirs. Nothing of it is used. Take `.quorate/` out of the commits, and move it away. Or git would take new keys into the next commit: then `.gitignore` has to leave out `.quorate/`, and be no link.',
  PROJECT_NOT_FOUND:
    'You are in no project: neither this folder nor one above holds one. Run the command in the repository of your project; `quorate init` there makes one.',
  PROJECT_NOT_SERVED:
    'The operator of this host lists the projects it works for, and this is none of them. They are listed in `worker.toml` under `[serve]` by root key.',
  REPORTS_NOT_FOUND:
    'There are no reports of this test: it left no files, operators did not agree on them, or no peer that was asked has its evidence. The message says which; the hint goes on from there.',
  REPORTS_OF_BUILD: 'Only a test has reports. Fetch the artifact of the job without `--reports`.',
  RESTORE_HOME_THERE:
    'There is a home where the backup is to be restored. `--aside` renames it first; nothing is deleted.',
  REVOCATION_LEAF_SHOWN:
    'The revocation that a leaf of the log names is there, or the root has said before that there is none: the leaf is not to be voided.',
  REVOCATION_NO_ANSWER:
    'No member of the project could be asked for revocations. See that the network works, or name a peer with `--bootstrap`; without `--online` what is known here counts.',
  STORE_QUOTA:
    'A controller asked an artifact store to keep a tree, and what trusted artifacts leave of its quota is too little. The run waits: raise `--quota` of the store, or have it keep older artifacts for a shorter time.',
  STORE_UNPROVEN:
    'A store keeps what a bundle proves under the root key of its project, at the level `agreed` or above, and this bundle proves less; the message says what. Nothing is to be done: it looks again when the verdict is told anew.',
  SOURCE_TREE_MISMATCH:
    'The commit holds another tree than the job says: the job was made from something else.',
  STORE_TOO_MANY_ENTRIES: 'The tree has more files and folders than a tree may have, or a receipt can list.',
  TICKET_NO_ADDRESS:
    'The controller has not run yet, so a ticket could not say where it is. Start it first: `quorate controller`.',
  TRUSTED_KEY_NOT_APART:
    'The key is that of the controller, the identity provider or the log, which a trusted worker checks. It needs a key of its own: `quorate key` on its host prints it.',
  TRUSTED_KEY_NOT_NAMED:
    'The charter names no trusted worker with the key that is to be removed; the hint lists those it names.',
  TRY_HOST_TOO_SMALL:
    'The job asks for more than this whole host has. Try it on a larger one, or ask for less under `limits` in `quorate.yaml`.',
  TRY_INPUT_MISSING:
    'The job reads the artifact of another one (`needs`), which `quorate try` does not build. Build that one first, and give its artifact, or the folder it was written to, with `--input <job>=<cid or folder>`.',
  TRY_NO_PROJECT:
    'The job wants a network, and what it may reach is in the charter of a project; none is known here. Try it in the repository of the project, or join the project.',
  TRY_SANDBOX_FAILED:
    'The sandbox could not run the build, or was ended from outside; the message quotes it. `quorate doctor` says whether this host can build.',
  WATCH_ACCOUNT:
    'The home folder is not that of a publisher of the project, so nothing can be published with it. Run the watcher with the home of a member with the role `publisher`: the owner, or one who joined with a ticket of that role.',
  WATCH_FILE_INVALID:
    '`watch.toml` is no TOML, or has a key or a value that is not possible; the message begins with file and line. `quorate watch example` prints a file with every key explained.',
  WATCH_FILE_UNREADABLE: '`watch.toml` cannot be read. `quorate watch example` prints one.',
  WITNESS_KEY_NOT_APART:
    'The key is that of the controller, the identity provider or the log, which a witness is there to check. Name one that somebody else holds.',
} as const;

export type RuntimeErrorCode = keyof typeof runtimeErrors;

declare module '../protocol/base/errors.ts' {
  interface ErrorCodes extends Record<RuntimeErrorCode, string> {}
}
