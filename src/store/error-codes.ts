const storeErrors = {
  STORE_AREA_NAME_INVALID:
    'This cannot name a sealed area: up to 100 letters, digits, `.`, `_` and `-`, not beginning with `.`.',
  STORE_BLOCK_MISSING:
    'A block of the tree is not in the store. Pull the tree again from a peer that has it.',
  STORE_CID_REFUSED:
    'The CID is not version 1, raw or dag-pb, with sha2-256. Trees look like `bafy…` or `bafk…`.',
  STORE_DEST_FAILED: 'The tree cannot be written there. Choose an empty or new folder on a disk with room.',
  STORE_DEST_NOT_EMPTY: 'The folder to write to is not empty. Choose an empty or new one.',
  STORE_DISK_FULL:
    'There is no room left in the store. Free disk space. A worker keeps less with `results` and `images` under `[lend]` in `worker.toml`.',
  STORE_ENTRY_REFUSED:
    'The tree or archive has an entry that is no plain file, folder or link that stays inside it.',
  STORE_FILE_CHANGED: 'A file changed while it was read. Let nothing write to the folder while it is stored.',
  STORE_FILE_TOO_LARGE: 'A file exceeds the size allowed for one.',
  STORE_FILE_UNREADABLE:
    'A file cannot be opened. Check that it is readable and that nothing writes to the folder meanwhile.',
  STORE_IN_USE: 'Another process uses the store. Stop that one, or use another folder.',
  STORE_LINK_ESCAPES: 'A link leaves the tree. Use a relative link that stays inside it.',
  STORE_LINK_REFUSED:
    "A link's target is empty, too long or odd, or a hard link does not lead to an earlier file of the archive.",
  STORE_NAME_NOT_UTF8: "A file's name is not UTF-8. Rename the file.",
  STORE_NAME_REFUSED:
    'A path has an empty, `.` or `..` part, or a name with a control character or one that changes the direction of text. Paths of a tree are relative and plain, such as `bin/tool`.',
  STORE_NOT_A_FOLDER: 'What should be stored as a tree is not a folder.',
  STORE_PATH_ABSOLUTE: 'A path is absolute. Create the archive from inside the folder, with relative paths.',
  STORE_PATH_CASE_CONFLICT:
    'Two paths differ only in case or in how accents are encoded. Rename one: on some file systems they would be one file.',
  STORE_PATH_CONFLICT: 'A path lies below something that is not a folder.',
  STORE_PATH_DUPLICATE: 'A path occurs twice.',
  STORE_PATH_TOO_DEEP: 'A path has too many folders.',
  STORE_PATH_TOO_LONG: 'A path, or a name in it, is too long.',
  STORE_PINS_DAMAGED:
    'The file that says which trees to keep has lines that cannot be read, and a sweep would remove the trees that they name. Put it back from a copy, or remove those lines.',
  STORE_PINS_INCOMPLETE:
    'Blocks of a tree that is to be kept are missing or damaged: the disk changed them, or files were removed. No sweep removes anything until the tree is whole; it is fetched again from peers. Check the disk. Where nobody has it any more, stop the node and give it up: `quorate store forget <cid>`.',
  STORE_PULL_BLOCK_MISSING:
    'No peer asked has a block of the tree. Ask another peer; one that announces a tree must have all of it.',
  STORE_PULL_NO_PROVIDER:
    'No connected peer can give the tree, or none is reachable any more. Connect to one that has it, and pull again; what has arrived is kept.',
  STORE_PULL_STALLED:
    'No correct block came for too long. The peer is too slow or sends wrong bytes; try another one.',
  STORE_TAR_DAMAGED: 'The archive was cut off or is not a tar archive. Produce it again.',
  STORE_TREE_MALFORMED:
    'A block of the tree is not laid out as our trees are. It was not written by a correct tool; do not use it.',
  STORE_TREE_TOO_MANY_ENTRIES:
    'The tree has too many files, folders and links. Declare fewer outputs, or pack them into one file.',
  STORE_TREE_TOO_MANY_FILES: 'The tree has more files, empty folders included, than whoever takes it allows.',
  STORE_UNWRITABLE:
    'The store cannot be opened for writing. Its folder must exist, be writable by you and lie on a disk with free space.',
} as const;

export type StoreErrorCode = keyof typeof storeErrors;

declare module '../protocol/base/errors.ts' {
  interface ErrorCodes extends Record<StoreErrorCode, string> {}
}
