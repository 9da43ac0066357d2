/**
 * Every bound of the system, each with its reason. Reaching one is a coded error, never a hang or a crash.
 * A unit ends each name.
 */
export const limits = {
  /** One signed document. An offer notice carries a job, a request and two grants: well under this. */
  documentBytesMax: 256 * 1024,
  /** A receipt lists each output file with its sha256 (about 150 bytes each), a bundle holds several receipts. */
  receiptBytesMax: 8 * 1024 * 1024,
  bundleBytesMax: 64 * 1024 * 1024,
  /** Files named one by one in a receipt, so that other tools can check a single file; larger trees are refused. */
  outputFilesMax: 20_000,
  /** Depth of nested JSON in any document: ours need eight. */
  jsonDepthMax: 24,
  /** A grant is short so that a revoked operator is gone within a day without anybody asking a server. */
  grantSecondsMax: 24 * 3600,
  inviteSecondsMax: 30 * 24 * 3600,
  /** A ticket with all its addresses and what a chat program adds: about 1,500. */
  ticketCharsMax: 16 * 1024,
  /** How far two clocks may differ before a document counts as from the future or expired. */
  clockSkewSeconds: 60,
  /** Steps of a job and the length of each: people write these by hand. */
  jobStepsMax: 200,
  /** The least a job may ask for: less would run nothing. */
  jobPidsMin: 8,
  jobMemoryBytesMin: 16 * 1024 * 1024,
  stepBytesMax: 16 * 1024,
  jobBytesMax: 64 * 1024,
  /** A job file is written by hand too, and every job in it can be asked for with one command. */
  jobFileBytesMax: 256 * 1024,
  jobFileJobsMax: 100,
  /** Trees: path depth and length follow Linux's PATH_MAX; counts and sizes bound a walk. */
  pathBytesMax: 4096,
  pathDepthMax: 64,
  /** Linux's NAME_MAX. */
  nameBytesMax: 255,
  treeEntriesMax: 200_000,
  treeBytesMax: 8 * 1024 * 1024 * 1024,
  /** Images: layers of one (container tools stop at 127), and what an archive of them may hold besides. */
  imageLayersMax: 128,
  imageBlobsMax: 10_000,
  /** An index, manifest or configuration of an image; container tools refuse larger ones too. */
  imageManifestBytesMax: 4 * 1024 * 1024,
  /** Indexes within indexes: one for tags, one for processors. */
  imageIndexDepthMax: 3,
  /** All layers unpacked: twice what the tree may have, as later layers replace what earlier ones hold. */
  imageLayerBytesMax: 16 * 1024 * 1024 * 1024,
  /** Entries of all layers, for the same reason; and steps from folder to folder while they are put into one tree. */
  imageEntriesMax: 500_000,
  imageStepsMax: 50_000_000,
  /** Links that are followed on the way to one path, as Linux does (path_resolution(7)). */
  imageLinksMax: 40,
  /** What a worker keeps of images unless its operator says otherwise: a dozen of some hundred megabytes, in two forms. */
  imageCacheBytesMax: 10 * 1024 * 1024 * 1024,
  /** Images a worker remembers that it cannot use: each is a line, and who publishes jobs could name more every day. */
  imagesRefusedMax: 1_000,
  /** Jobs a worker has built, or is to build, whose rounds have not ended: their results take up its disk until they have. */
  leasesHeldMax: 64,
  /** Makers of images, such as mmdebstrap, end within this: a large image from a slow mirror. */
  imageMakeSecondsMax: 3600,
  /** One build's log: what exceeds it is cut with a line that says so. */
  logBytesMax: 16 * 1024 * 1024,
  logLineBytesMax: 8 * 1024,
  /** Three lines and a signature line of 200 characters per witness. */
  checkpointCharsMax: 8192,
  /** Offers in one answer of the feed, by stream or by HTTP: a worker that takes some is told of more. */
  feedOffersMax: 100,
  /** Such an answer by HTTP: offers are about ten kilobytes each. */
  feedBytesMax: 16 * 1024 * 1024,
  /** Addresses of a controller's HTTP feed that a worker keeps: one for each of its networks. */
  feedUrlsMax: 4,
  /** The HTTP feed: connections in all and from one address, which may be an office or a proxy. */
  httpConnectionsMax: 256,
  httpConnectionsPerAddressMax: 64,
  /** Requests of one address: a hundred workers behind it ask a few times a minute each. */
  httpRequestsPerSecond: 20,
  httpRequestsBurst: 100,
  /** An answer of this size counts as one request more: 20 MiB/s to one address in the long run. */
  httpBytesPerRequest: 1024 * 1024,
  /** Request line and headers; ours need a few hundred bytes. */
  httpHeaderBytesMax: 8 * 1024,
  /** A client sends its request, and takes something of the answer, within this. */
  httpIdleMs: 10_000,
  /** A whole answer: the largest bundle at half a megabit per second. */
  httpAnswerMsMax: 20 * 60_000,
  /** Bundles being sent at once: each is in memory as a whole. */
  httpBundlesMax: 4,
  /** The same over the mesh, small ones not counted: memory while they are sent, about three times this. */
  bundlesSentBytesMax: 128 * 1024 * 1024,
  /** Trees being sent at once, each with a few blocks in memory. */
  httpTreesMax: 16,
  /** Operators of one round; each is a lease stream at the controller. */
  slotsMax: 16,
  roundsMax: 8,
  openJobsMax: 1_000,
  /** Of these, what one publisher may have open, on however many machines: others can still publish. */
  openJobsPerPublisherMax: 500,
  /** A request is open no longer than this, and nobody follows it for longer than a day more. */
  requestSecondsMax: 7 * 24 * 3600,
  /** A slot whose lease was lost may be leased again this often within one sealed phase. */
  slotLeasesMax: 4,
  /** Blocks of one tree: a full tree of single-block files, plus its directories and the chunks of its largest files. */
  treeBlocksMax: 500_000,
  /** Files and blocks read or written at once: more than the thread pool can use, little memory (1 MiB each). */
  blockJobsMax: 16,
  /** Blocks asked of one peer at once; Bitswap stalls for good in the thousands, and each may be 1 MiB of memory. */
  pullWantsMax: 24,
  /** The largest block of the profile is a 1 MiB chunk with its few bytes of framing; a peer's message holds one or two. */
  blockBytesMax: 1024 * 1024 + 1024,
  /** A pull ends when no verified block came for this long, whatever a peer keeps promising. */
  pullIdleSecondsMax: 30,
  /** Blocks not pinned but used this recently survive a sweep: an import is pinned only after it has ended. */
  sweepGraceSeconds: 3600,
  /** How often a node looks for such: it walks all that is kept, which for a full store is seconds of work. */
  collectSeconds: 900,
  /** What a worker keeps of results unless its operator says otherwise: as much as of images. */
  resultsKeptBytesMax: 10 * 1024 * 1024 * 1024,
  /** A result is kept this long whatever its size: the controller fetches what was agreed in five tries of a minute. */
  resultHeldSecondsMin: 600,
  /** Blocks one request of a transfer may name: what is left of a folder of many files after a break. */
  transferRootsMax: 1024,
  /** Bytes of one answer, so that what is left can be shared out anew and a slow provider owes little. */
  transferAnswerBytesMax: 64 * 1024 * 1024,
  /** A provider that sends no block for this long, and a receiver that asks for none, are given up. */
  transferIdleSecondsMax: 30,
  /** A slow provider's last part is asked of a fast idle one after this: long enough to know its rate. */
  transferSlowSeconds: 3,
  /** Transfers one peer may have open with us; each is two messages of memory. */
  transferStreamsPerPeerMax: 8,
  /** Links from a tree's root to a block: 64 folders, each sharded eight levels deep, and a file of eight levels. */
  treeLevelsMax: 600,
  /** One file of blocks: a sweep rewrites whole ones, so this bounds how much it moves to win back half of it. */
  packBytesMax: 64 * 1024 * 1024,
  /** A sealed area up to this size is copied when it is published, so that small builds do not leave a file each. */
  packCopyBytesMax: 8 * 1024 * 1024,
  /** Blocks taken but not yet handed to the disk: memory, and what a slow disk makes writers wait for. */
  packUnwrittenBytesMax: 16 * 1024 * 1024,
  /** Connections of one node; a bootstrap node holds one per member, so it gets more. */
  meshConnectionsMax: 300,
  meshBootstrapConnectionsMax: 4_000,
  /**
   * New connections one address may open per second: an office behind one NAT starts together. Times the upgrade
   * time this stays below the pending slots, so silent sockets from one address never use them all up.
   */
  meshInboundPerSecond: 40,
  meshPendingInboundMax: 512,
  meshUpgradeMs: 10_000,
  /** A dial including name lookup and handshake; a search in the DHT; how long a wait lasts when no limit is given. */
  meshDialMs: 10_000,
  meshLookupMs: 20_000,
  meshWaitMs: 120_000,
  /** A stream's window: what a sender may have in flight to a reader that does not read. 20 MB/s at 50 ms. */
  meshWindowBytes: 1024 * 1024,
  /** What may move at once under a bandwidth limit, in milliseconds of it: a timer is late by some of these. */
  bandwidthBurstMs: 100,
  /** An operator cannot allow less, in bytes a second: heartbeats and grants still have to be on time. */
  bandwidthBytesMin: 16 * 1024,
  /** A send that makes no progress this long means the reader is gone. */
  meshStallMs: 60_000,
  /** How long the far side may keep its half of a channel open after ours is closed and nobody reads. */
  meshLingerMs: 30_000,
  meshMessageBytesMax: 16 * 1024 * 1024,
  /** Inbound streams one peer may open per protocol and minute where the protocol sets nothing itself. */
  meshStreamsPerMinute: 240,
  /**
   * What one member says on its feed and lease streams, beyond which it waits: 64 leases say 13 things a second, and a
   * controller that comes back hears from all of them at once. A large message counts once more for each of these bytes.
   */
  memberMessagesPerSecond: 50,
  memberMessagesBurst: 500,
  memberBytesPerMessage: 64 * 1024,
  /** Gossip taken from one peer: beyond it the peer is made to wait, not dropped. */
  meshGossipBytesPerSecond: 1024 * 1024,
  /** Provider and peer records others make us keep, in all and per peer. */
  meshProvidersMax: 50_000,
  meshProvidersPerPeerMax: 2_000,
  meshPeerRecordsMax: 10_000,
  /** Peers remembered for a restart and the addresses of each. */
  meshRememberedMax: 200,
  meshRememberedAddrsMax: 8,
  /** Peers of one project a node connects to on its own account: gossip needs six. */
  meshProjectPeers: 8,
  /** Moving source, inputs or outputs in or out of a sandbox: a full tree at the speed of a slow disk. */
  sandboxTransferSecondsMax: 900,
  /** Outputs beyond the disk limit, for tar's own headers; a sparse file could otherwise stream zeros for ever. */
  sandboxOutputOverheadBytes: 64 * 1024 * 1024,
  /** From SIGKILL to no process and no cgroup left; only uninterruptible sleep takes longer than milliseconds. */
  sandboxStopSecondsMax: 10,
  /** A person's shell in a sandbox: a working day, whatever the job's own limit is. */
  trialShellSecondsMax: 12 * 3600,
  /** Every step of the probe's jobs together: they take about a second. */
  sandboxProbeSecondsMax: 30,
  /** A tool of the sandbox's that is asked for its version, or a package manager for what it knows. */
  sandboxToolMs: 10_000,
  /** gVisor's own memory beside the build's: a kernel in user space, its page tables and caches. */
  gvisorMemoryBytes: 96 * 1024 * 1024,
  /** Threads of gVisor's own, which grow with what waits on the host; 60 were seen. */
  gvisorThreads: 256,
  /**
   * The same emulated, where each of four jobs starts a machine first: 30 s with two processors, 50 s where eight others want
   * them as well, and more than twice that beside a dozen, for builds give way. On a machine where it takes ten times as long
   * builds would take 200 times as long, which is of no use to anybody.
   */
  emulatedProbeSecondsMax: 300,
  /** A kernel for virtual machines once unpacked: today's take 55 MiB. */
  guestKernelBytesMax: 256 * 1024 * 1024,
  /**
   * Until a guest with one processor speaks: half a second, and three where all is emulated. A busy machine takes much longer:
   * builds give way to everything else.
   */
  guestBootSecondsMax: { kvm: 15, tcg: 180 },
  /** Threads of QEMU besides those of its processors, and the processes around it; it uses a dozen. */
  machineThreadsMax: 128,
  /** Emulated, a build takes about 20 times as long: so may it, before it counts as stuck. */
  emulatedTimeFactor: 20,
  /** An emulated worker leaves a job to others for a day after it was too slow for it: it may be another one by then, or less busy. */
  slowJobSeconds: 24 * 3600,
  /** Jobs it remembers for that; the oldest is forgotten, and costs one more lease. */
  slowJobsMax: 1_000,
  /** Log leaves in one answer: at 160 bytes each, 1.6 MB. */
  leavesPerMessageMax: 10_000,
  /** What one checkout may fetch, and again unpack: large projects at depth one are under this. */
  sourceBytesMax: 2 * 1024 * 1024 * 1024,
  /** Sources a worker keeps for the next build of the same commit: a day's work of a busy project, not a mirror. */
  sourcesKeptMax: 32,
  sourcesKeptBytesMax: 512 * 1024 * 1024,
  gitSecondsMax: 600,
  /** Git and its server may say nothing for this long; `--progress` makes an honest server speak every second. */
  gitIdleSecondsMax: 60,
  /** Connections of one checkout to its server: git needs one at a time, and a new one for each request. */
  egressConnectionsMax: 8,
  egressConnectionsTotalMax: 256,
  /** The same of a build with a network: npm keeps 15 at once. Those that were too many count as well. */
  egressBuildConnectionsMax: 64,
  egressBuildConnectionsTotalMax: 4096,
  /** What git says to a server is its wishes; a repository would be sent in the other direction. */
  egressSentBytesMax: 16 * 1024 * 1024,
  /** Besides the source itself: lists of references, headers, TLS. */
  egressOverheadBytes: 64 * 1024 * 1024,
  egressHeaderBytesMax: 16 * 1024,
  /** Addresses of one name that are tried, each for this long. */
  egressAddressesMax: 4,
  egressConnectMs: 10_000,
  /** Refusals that are told one by one; more are only counted. */
  egressTroublesMax: 8,
  /** What a tool such as git gets in its sandbox: a pack is indexed in memory, with a few threads. */
  toolMemoryBytesMax: 2 * 1024 * 1024 * 1024,
  toolMemoryBytesMin: 512 * 1024 * 1024,
  toolPidsMax: 64,
} as const;
