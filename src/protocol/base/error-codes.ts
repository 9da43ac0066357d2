/** Error codes of the core: what each means and what to do. */
const coreErrors = {
  ACK_NOT_IN_LOG:
    'The controller acknowledged a receipt and did not show that its log holds it, or the round that it is of under its request. It may have been dropped, or asked for in a round that nobody is to find: tell the owner of the project.',
  ARTIFACT_MISMATCH: 'The bundle is about another artifact than the one you asked about.',
  ARTIFACT_OF_TEST:
    'The files are what a test put out. These are reports: a job that calls itself a test may have a laxer policy, so they never count as an artifact. Take the artifact of the job that builds it.',
  ARTIFACT_REVOKED: 'The artifact was revoked; the message says from when and why. Do not use it.',
  BUNDLE_BUSY:
    'Too many large bundles are being sent at once, or many were lost and are made again. Try again in a moment, or ask another peer that has the artifact.',
  BUNDLE_DAMAGED:
    'The file of a bundle on the controller is not the one that was stored: the disk damaged it, or `bundles/` is an older copy. The controller has removed it and serves none in its place. Restart the controller: it makes the bundle again from its journal.',
  BUNDLE_NOT_FOUND:
    'The controller has no bundle for what was asked: the CID is wrong, or its job has no verdict yet.',
  CANCEL_PUBLISHER_MISMATCH:
    'Only the key that published a run can cancel it. Run `quorate cancel` where it was published from.',
  CAR_MALFORMED:
    'The archive of blocks (CAR) cannot be read; the message says why. The sender is faulty or malicious; use another one.',
  CHARTER_ISSUER_MISMATCH:
    'The charter is not signed by the root key of its project. Do not use it; get the ticket or the charter from the owner again.',
  CHARTER_NOT_IN_FORCE:
    'The verdict rests on another charter than the last one in the log before it. The controller uses an old one.',
  CHARTER_PROJECT_MISMATCH: 'The charter is of another project than the one whose root key you named.',
  CHARTER_WITNESS_MISSING:
    'The verdict needs no co-signature, and too few of the witnesses that the charter names signed the log that it is in. Fetch again later; the job goes on until they have, or its request ends.',
  CHECKPOINT_BAD_SIGNATURE:
    'The signature of a log checkpoint does not fit the log key. Evidence with it proves nothing.',
  CHECKPOINT_LOG_MISMATCH: "The checkpoint is of another project's log.",
  CHECKPOINT_MALFORMED:
    'A checkpoint is three lines (origin, size, sha256 root) and its signatures; this one is not.',
  CHECKPOINT_STALE:
    'No checkpoint of the log has a recent line of a trusted worker of the charter (in a project without one: of workers of as many operators as have to agree), so nothing but the word of the controller shows how long the log is, and that no revocation is kept back. Is the trusted worker running, and its clock right?',
  CHECKPOINT_UNSIGNED: 'The checkpoint lacks the signature of the log key in the charter.',
  CLOCK_BEHIND:
    'The clock of this host is earlier than the last event of its journal: it is wrong now, or it was wrong then. Nothing is done under such a time, since every document would have another one. Set the clock (`sudo timedatectl set-ntp true`); where it is right now, start once with `--accept-clock`.',
  CLOCK_JUMPED:
    'The clock of this host was set by more than a minute while the node ran. The node stops before it records anything under the new time, because the clock may be wrong. Look at it (`timedatectl`), and start the node again.',
  CLAIM_ABOVE_SHARE:
    "The operator's draw is above the share of the offer at this time: somebody else's turn. The share widens on the offer's schedule.",
  CLAIM_AUDIENCE_MISMATCH: 'The claim was made for another controller.',
  CLAIM_HAS_SLOT: 'The operator has a slot in this round already: one invite, one vote.',
  CLAIM_NOT_FRESH: 'The operator took part in an earlier round of this job; a new round wants others.',
  CLAIM_SENDER_MISMATCH: 'The claim was sent by another node than the one that signed it.',
  CLAIM_SLOT_LOST:
    'The operator lost a slot of this round: its worker went silent, or its time ran out. The next round, or the next job, is open to it.',
  CLAIM_TOO_NEW: 'The operator was enrolled after the offer was made, and may claim the next one.',
  CLAIM_UNFIT: 'The worker lacks something that the job needs; the message says what.',
  CONTROLLER_BUSY: 'As many jobs are open as the controller takes. Try again later.',
  CONTROLLER_KEY_MISSING:
    'The charter names a controller or an identity provider whose key is not in `.quorate/`, or a verdict waits to be published under such a key. Put it back: `.quorate/keys/`.',
  CONTROLLER_NOT_IN_CHARTER:
    'The charter does not name this key as a controller. Sign a charter that does, with the root key.',
  CONTROLLER_NOT_STARTED:
    "The controller has no charter yet. Start it in the project's folder: `quorate controller`.",
  CONTROLLER_OLDER:
    'The controller runs an older version of Quorate, which does not understand this worker. The owner of the project updates it.',
  CONTROLLER_SILENT:
    'The controller closed the connection without an answer. Try again; its own output says why.',
  CONTROLLER_STOPPED: 'The controller is stopping. Try again when it is back.',
  CONTROLLER_UNEXPECTED_ANSWER:
    'The controller answered something else than was asked. It may run another version: update both.',
  CONTROLLER_UNREACHABLE:
    'No controller of the project answers at the addresses tried. See that it is running and can be reached from here.',
  COSIGN_ANSWERED:
    'The trusted worker signed another answer to that request before, so it does not sign this one. The job is built.',
  COSIGN_ANSWERS_FULL:
    'The trusted worker remembers as many answers of requests that have not ended as it may, in all or of one publisher. The job is built.',
  COSIGN_BEFORE_ACK:
    'A draft was shown to a trusted worker before its own receipt was acknowledged. It resumes the lease, which brings both in order.',
  COSIGN_EVIDENCE:
    'What the controller showed the trusted worker does not hold up, so it does not sign; the message says at which step.',
  COSIGN_LEVEL_MISMATCH:
    'The verdict claims another level than its evidence amounts to, so the trusted worker does not sign.',
  COSIGN_MISSING:
    "The policy asks for the trusted worker's co-signature, and the verdict has none. Run the trusted worker.",
  COSIGN_NOT_ASKED: 'A co-signature came for a verdict that waits for none.',
  COSIGN_NOT_BUILT: 'The trusted worker did not build this job itself, so it does not sign.',
  COSIGN_NOT_TRUSTED_KEY: 'The co-signature is by a key that the charter does not name as a trusted worker.',
  COSIGN_NOT_TRUSTED_SLOT: 'This worker did not build in the trusted slot, so it does not sign.',
  COSIGN_WITNESS_TIME:
    'The trusted worker signed the checkpoint at another time than the verdict was made at. Set the clocks of both (`timedatectl`); the draft is shown to it again.',
  COSIGN_NO_WITNESS: "The co-signature came without its signer's witness line on the log's checkpoint.",
  COSIGN_REQUEST_MISMATCH: 'The verdict to sign is about another request than the one that was built.',
  COSIGN_RESULT_MISMATCH:
    'The trusted worker built something else than the verdict says, so it does not sign. Compare the two trees.',
  DEPENDENCIES_MISMATCH:
    'The dependencies of a job are not what the lock files in its source tree say; the message names the entry. Whoever published the job named other files than the lock files do, or a provider sent other bytes. Nothing is built.',
  DOC_BAD_SIGNATURE:
    'The document does not carry a valid signature of the key it names. It was changed, or signed by somebody else.',
  DOC_EXPIRED: "The document's time is over. Ask for a new one.",
  DOC_FROM_FUTURE: 'The document was issued later than now. Check the clocks of both hosts (`timedatectl`).',
  DOC_INVALID: 'The document does not have the fields its type has; the message says where.',
  DOC_NOT_BASE64: 'A part of the document is not base64url in its one valid spelling.',
  DOC_NEWER: 'A document has a version that this program does not know yet. Update it.',
  DOC_NOT_CANONICAL:
    'The document is JSON but not in canonical form (DAG-JSON), so its identity would not be unique.',
  DOC_NOT_JSON: 'The document is not JSON, or names a key twice.',
  DOC_NOT_JWS: 'The document is not a compact JWS of three parts.',
  DOC_NOT_UTF8: 'The bytes are not UTF-8.',
  DOC_TOO_DEEP: 'The document is nested deeper than any of ours.',
  DOC_TOO_LARGE: 'The document is larger, or has more values, than its type may have.',
  DOC_WRONG_ALG: 'The document is signed with another algorithm than Ed25519.',
  DOC_WRONG_ISSUER: 'The document names one issuer and is signed by another.',
  DOC_WRONG_TYPE:
    'The document is of another type than is wanted here: perhaps a bundle where a ticket should be.',
  EARLIER_BELOW_LEVEL:
    'The verdict has a higher level than the evidence of the earlier request that it rests on comes to. Ask for a new build: quorate run --rebuild.',
  EARLIER_EVIDENCE_MISSING:
    'The job was not built for this request, and the bundle lacks the evidence of the earlier one. Fetch it again.',
  EARLIER_JOB_MISMATCH:
    'The verdict rests on the evidence of another job than the one that was asked for: the controller filled in a false one. Do not trust the artifact.',
  EARLIER_NOT_ALLOWED:
    'The job is built in the image of whoever builds it, or with a network, so that what came of it once says nothing of another time; the verdict rests on an earlier request all the same.',
  EARLIER_NOT_EARLIER: 'The verdict rests on a verdict that is after it in the log.',
  EARLIER_NOT_VERIFIED:
    'The evidence of the earlier request that the verdict rests on does not hold; the message quotes why. Ask for a new build: quorate run --rebuild.',
  EARLIER_OUTCOME_MISMATCH: 'The verdict is about another outcome than the earlier one that it rests on.',
  EARLIER_OWN_REQUEST:
    'The verdict rests on another verdict of its own request, which is no evidence for itself.',
  EARLIER_VERDICT_MISMATCH:
    'The bundle holds the evidence of another request or verdict than the earlier one that is named.',
  EARLIER_WITHOUT_RECEIPTS:
    'The verdict rests on that of an earlier request for which the job was not built either.',
  EARLIER_WITH_ROUNDS: 'The verdict rests on an earlier request, though the job was built for this one.',
  ENROLMENT_NOT_LOGGED: 'The log does not show that the operator was first admitted where its grant says.',
  ENROL_AUDIENCE_MISMATCH: 'The enrolment was made for another identity provider.',
  API_FOLLOWED_MAX:
    'All commands with this key together follow as many runs and logs as one key may. Others can be followed when some of them have ended.',
  ENROL_SENDER_MISMATCH: 'The enrolment was sent by another node than the one that signed it.',
  ENROL_TICKET_MISMATCH: 'The enrolment names another ticket than the one beside it.',
  EQUIVOCATION_UNPROVEN:
    'The file does not prove that the log tells two stories; the message says what is missing. A consistency proof that fails is no such evidence, since anybody could make one.',
  EVIDENCE_REVOKED:
    'The verdict does not stand without receipts that were revoked since; the message says which, from when and why. Ask for a new build.',
  EVIDENCE_TOO_LARGE:
    'The job is not taken: with that of all that it rests on, its evidence could come to more than one bundle may hold. It needs fewer jobs, or jobs that put out fewer files (`limits.files`).',
  EXPORT_NOTHING_BUILT:
    'The verdict is about no artifact that operators agreed on, so there is nothing to show to another tool.',
  EXPORT_NOT_TRUSTED:
    'Another tool takes a layout that holds for a yes, so there is none for what is not trusted. Fetch the evidence again once the job is.',
  EXPORT_NO_LINKS:
    'Fewer workers than the policy asks for signed an in-toto link that holds. Their Quorate may be older than links; have the job built again.',
  FEED_NO_HELLO: 'A feed began with another message than a hello.',
  FILES_HASH_MISMATCH:
    "No file of the artifact has this file's sha256: it was changed, or the evidence is of another artifact. Fetch it again.",
  FILES_PATH_MISMATCH:
    'The artifact has this file, at another path than `--path` says: perhaps another program than you take it for.',
  FILES_TREE_MISMATCH:
    'The folder is not the artifact that the evidence is about: something in it was changed, added or left out, or it is the evidence of another artifact. Fetch it again.',
  GRANT_ISSUER_MISMATCH:
    'The grant is not signed by an identity provider that the charter names, or by one that the root key revoked.',
  GRANT_KEY_MISMATCH: 'The grant is for another key than the one that used it.',
  GRANT_NOT_VALID_THEN: 'The grant was not valid at the time it was used.',
  GRANT_PROJECT_MISMATCH: 'The grant is for another project.',
  GRANT_ROLE_MISMATCH: 'The grant is for another role than this action needs; the message names both.',
  HOME_NEWER:
    'A newer version of Quorate wrote a file of a home or project folder, and this one cannot read it. The file is left as it is. Start the newer version, or restore a backup of before the update (docs/versions.md).',
  IDP_ANSWER_MISMATCH:
    'The identity provider gave a grant for something else than was asked: it belongs to another project, or runs another version. Look at the process `quorate idp`.',
  IDP_BUSY:
    'The identity provider is a process of its own, and more members ask for grants than it answers in time. Nodes ask again by themselves; try again in a moment.',
  IDP_CHARTER_DIFFERS:
    'Controller and identity provider go by different charters, and neither took that of the other. Sign the next charter once more: `quorate charter set`.',
  IDP_CONTROLLER_UNKNOWN:
    'The identity provider signs grants for controllers that the charter names, and this key is none of them.',
  IDP_ENROLMENT_DIFFERS:
    'The controller names another log index for the first enrolment of an operator than it did before. Its log was put back to an older state, or somebody else has its key: look at that host.',
  IDP_NOT_STARTED: 'The identity provider has no charter yet. Start it again: `quorate idp`.',
  IDP_UNREACHABLE:
    'The identity provider of the project is a process of its own, and does not answer the controller. Nobody can join or renew a grant until it does; grants that were given last up to a day, and work goes on with them. The owner looks at `quorate idp`.',
  IMAGE_REVOKED: 'The image was revoked; the message says from when and why. Build in another one.',
  INPUT_ARTIFACT_MISMATCH:
    'The job read another artifact than the one that the job it needs made: the controller filled in a false one. Do not trust the artifact.',
  INPUT_BELOW_LEVEL: 'What the job read has a lower level than its request asks for before the job begins.',
  INPUT_EVIDENCE_MISSING:
    'The bundle lacks the evidence of an artifact that the job read, so nothing shows where that came from. Fetch it again.',
  INPUT_EVIDENCE_TOO_LARGE:
    'A controller sent a worker more evidence of what a job reads than the bundle of the job may hold. The build is aborted, and is no vote.',
  INPUT_EVIDENCE_TWICE: 'The bundle holds the evidence of one request twice.',
  INPUT_LOST:
    'What the job reads was contradicted, cancelled or revoked, or came to other bytes: what was built on it is thrown away. The controller offers the job again once its inputs are there.',
  INPUT_NOT_VERIFIED:
    'The evidence of an artifact that the job read does not hold, so neither does that of the job; the message quotes why.',
  INPUT_REQUEST_MISMATCH:
    'The evidence of what the job read is about another request than the one that it needs.',
  INPUT_RECIPE_MISMATCH: 'What the job read is of another job file than the job.',
  INPUT_UNAVAILABLE:
    'A worker could not get an artifact that the job reads, or the evidence of it; the message quotes why. The build is aborted, and is no vote.',
  INPUT_SOURCE_MISMATCH: 'What the job read was built from another commit or repository than the job.',
  INPUTS_NOT_TRUSTED:
    'The verdict says `trusted` or `failed`, but something that the job rests on is not, by its own evidence: what stands on untrusted bytes is provisional, whatever its own policy.',
  JOB_AMBIGUOUS: 'What you gave begins the ids of several jobs. Give more characters.',
  JOB_INPUTS_MISMATCH:
    'The job reads other artifacts than its request says it needs: the controller added one, or left one out.',
  JOB_REVOKED:
    'The job was revoked; the message says from when and why. It is not built any more, and its artifacts are not to be used.',
  JOB_UNKNOWN: 'No job has this id, or what you gave of it is too short. `quorate jobs` lists them.',
  JOURNAL_REPLAY_MISMATCH:
    'An event of the journal would come to something else under the rules of this version than it did when it was taken, so that acknowledged results could get lost. The node does not start, and nothing was changed. Start the version that ran before, and report it.',
  KEY_ALREADY_ENROLLED:
    'The key is enrolled already, as another operator or in another role. Use another `--home`: each has a key of its own.',
  KEY_INVALID:
    "This is not an Ed25519 public key, or not the PeerId of one. A PeerId begins with `12D3KooW`: `quorate key` prints a host's, `quorate init` and `quorate controller` the project's.",
  KEY_NOT_ENROLLED:
    'The key is not enrolled in this project. Ask the owner for a ticket (`quorate invite`) and run `quorate join <ticket>`.',
  KEY_REVOKED:
    'The key was revoked; the message says from when and why. It may not act any more, and evidence that rests on what it signed from there on does not count.',
  LEASE_FENCE_TWICE: 'Two leases carry the same fence: the controller gave one slot to two workers.',
  LEASE_ISSUER_MISMATCH:
    'The lease is not signed by the controller that made the offer, or by none that the charter names.',
  LEASE_LOST: 'The lease is over: its time ran out, or the slot went to another worker.',
  LEASE_NOT_IN_TIME: 'The lease was given outside the time of its offer.',
  LEASE_NO_SUCH_SLOT: 'The lease is for a slot that its offer does not have.',
  LEASE_OFFER_MISMATCH: 'The lease does not fit the offer it names.',
  LEASE_OPERATOR_MISMATCH: "The lease names another operator than the worker's grant.",
  LEASE_STREAM_TAKEN:
    'A claim or a resumed lease came on a stream that carries a lease that is not over. Each needs a stream of its own meanwhile.',
  LEASE_UNASKED:
    'The controller gave a lease that this worker did not claim, or has forgotten since. The worker ends the stream and claims again.',
  LOCK_INVALID:
    'Something in a lock file is not as its tool writes it: its format, or a name, version, path, address or hash; the message says where. Have the tool write the file again, and do not edit it by hand.',
  LOGS_SEALED:
    'The round is sealed; its logs are for the publisher until it ends. Join as publisher, or wait for the verdict.',
  LOGS_WORKER_UNKNOWN:
    'No worker that built this job belongs to an operator of that name, or has an id that ends so. The hint lists them; `quorate show` lists them, too.',
  LOCK_CONFLICT:
    'Two places in lock files name one file with different hashes; the message says where. One of them is not what its registry serves: find out which before anything is built.',
  LOCK_INCOMPLETE:
    'A lock file does not say what the bytes of a dependency hash to, or which of several files it means; the message names the entry and its line. `quorate lock` writes it into `quorate.lock`, which is committed.',
  LOCK_NOT_FOUND: 'A lock file that the job names is not in the source tree. Paths begin at its top.',
  LOCK_TOO_LARGE:
    'A lock file is larger, nested deeper, or names more files than is read; the message says the limit.',
  LOCK_UNSUPPORTED:
    'Lock files of this tool or this version of it are not read; the message says which are. Where the tool can write another version, have it do so.',
  LOG_ENTRY_TWICE: 'The bundle proves one log entry twice.',
  LOG_EQUIVOCATED:
    "The project's log key signed two stories, and there is evidence that anybody can check (`quorate verify --equivocation`). What no trusted worker's line is under does not count; where trusted workers signed both stories, nothing under that key does. The owner must find out who used the key, and name another one in the charter.",
  LOG_FORKED:
    'The controller signed two logs of the same size that are not the same: it tells two stories. The worker witnesses neither. Tell the owner of the project.',
  LOG_INCONSISTENT:
    'The controller signed a log and does not show that it goes on from what it signed before. The worker does not witness it. Tell the owner of the project.',
  LOG_LEAF_MISSING: 'Nothing in the bundle shows that the log holds this entry.',
  LOG_LEAVES_MISMATCH: "The log's entries are not those its checkpoint is over.",
  LOG_NO_LEASE: 'A build log was sent by a worker without the lease it names.',
  LOG_OUT_OF_RANGE: 'An entry or proof was asked for beyond the end of the log.',
  LOG_PROOF_INVALID: 'The proof does not show that the log holds this entry at this place.',
  LOG_TOO_LARGE:
    'The log has more leaves than a trusted worker reads into memory. Such a project needs a new log, or a version that reads it in parts.',
  LOG_UNREADABLE: "The controller's log does not have as many leaves as its checkpoint says.",
  MESH_LOST:
    'The connection to the controller broke. The work goes on and is picked up again when it is back.',
  NOTE_KEY_INVALID:
    'The text is no verifier key of a signed note: name, key id and key with `+` between them. A witness tells its own; for `--witness` it has to be one for cosignatures.',
  OFFER_CHARTER_NEWER:
    'The offer was made under a newer charter than the one it is judged by. A worker asks its controller for that charter; where this is said nevertheless, the controller does not have it.',
  OFFER_CLOSED: 'The offer takes no more claims: its window is over or all its slots were used.',
  OFFER_DROPPED:
    'The log holds a round of the request that the bundle leaves out: the controller hides what was built in it.',
  OFFER_INDEX_MISMATCH: 'The offer is not at the place of the log that it names.',
  OFFER_ISSUER_MISMATCH: 'The offer is not signed by a controller that the charter names.',
  OFFER_JOB_MISMATCH: 'The offer is for another job than the one beside it.',
  OFFER_MISSING: 'The bundle holds no round of the request, and its verdict rests on no earlier one.',
  OFFER_NOT_IN_TIME: 'The offer was made outside the time of its request.',
  OFFER_POLICY_MISMATCH: 'The offer has another policy than its request.',
  OFFER_PROJECT_MISMATCH: 'The offer is of another project.',
  OFFER_REQUEST_MISMATCH: 'The offer is for another request than the one beside it.',
  OFFER_ROUND: 'The rounds of the job do not follow each other, or are more than the policy allows.',
  OPERATOR_REVOKED:
    'The operator was revoked; the message says from when and why. It may not work any more, and what rests on it from there on does not count.',
  PIPELINE_INVALID:
    'The jobs of the file make no pipeline: they need each other in a circle, or a job that the file does not have, or a `matrix` puts in a name or a value that cannot be; the message begins with file, line and column, and the hint says what to change.',
  PIPELINE_TOO_LARGE:
    'The jobs of the file are more, longer or deeper than one pipeline may have, once each `matrix` is expanded; the message says which bound. Nothing was built of it.',
  POLICY_BELOW_FLOOR:
    'The policy of the request is weaker than the floor in the charter. Under `trust` in `quorate.yaml`, ask for at least what the hint names.',
  REBUILD_ASKED:
    'The request asks for the job to be built again, and the verdict rests on an earlier request all the same.',
  PIN_BUSY:
    'An artifact store fetches as many trees for controllers as it does at once. The controller asks again by itself.',
  PIN_NOT_CONTROLLER:
    'A peer asked an artifact store to keep a tree, and the charter does not name it as a controller. Only what verdicts prove is kept for others; the controller of the project may ask before there is one.',
  RECEIPT_BEFORE_OFFER: 'The log holds the receipt before its offer: it cannot be an answer to it.',
  RECEIPT_DROPPED:
    'The log promises a receipt that the bundle leaves out. The controller dropped evidence: do not trust the artifact.',
  RECEIPT_FAILED_WITH_FILES:
    'The receipt names an artifact of a build that failed. Only a test that failed has files, which are reports.',
  RECEIPT_LEASE_MISMATCH: 'The receipt says other things than its lease.',
  RECEIPT_MISMATCH:
    'The receipt contradicts itself: its subjects, source or builder do not fit what it states.',
  RECEIPT_PROFILE_MISMATCH:
    'The receipt names another sandbox profile than its job. The worker may run another version: update it.',
  RECEIPT_SECOND: 'The lease has a receipt already; a slot yields one.',
  RECEIPT_SIGNER_MISMATCH: 'The receipt is signed by another key than the one that holds the lease.',
  RECEIPT_STALE_FENCE: 'The lease of the receipt is over: another lease took its slot.',
  RECEIPT_TWICE: 'The receipt is in the bundle twice.',
  RECEIPT_WITHOUT_OFFER: 'The bundle lacks the offer of a receipt.',
  RECIPE_MISMATCH:
    'The artifact was built as another job file says than the one that you accept; the message names it. Read that file at that commit, and where you agree with it name it with `--recipe REPO@COMMIT:PATH`. Without `--recipe`, who gives `--source` or `--ref` accepts only the `quorate.yaml` of the repository itself.',
  RECIPE_NOT_ALLOWED:
    'The job file is not the `quorate.yaml` of the source, and the charter of the project allows no other. Its owner allows them with `quorate charter set --recipes outside`.',
  REF_MISMATCH:
    'The artifact was built at another ref than you asked for (`--ref`). It may be genuine and old.',
  REQUEST_AUDIENCE_MISMATCH:
    'The request is made to another controller. It is signed for one, and no other may act on it.',
  REQUEST_JOB_MISMATCH: 'The request names another job than the one sent with it.',
  REQUEST_NEEDS_MISMATCH:
    'The job reads what is built from another commit or repository, or by another job file. The jobs of one pipeline are of one commit and one job file.',
  REQUEST_NEEDS_UNKNOWN:
    'The job reads the artifact of a request that was not published at this controller. Publish that one first: `quorate run` does, in order.',
  REQUEST_OVER:
    'By the clock of the trusted worker the request is over, so nothing more is signed for it. Check the clocks of both hosts (`timedatectl`), or submit again.',
  REQUEST_PROJECT_MISMATCH: 'The request is for another project.',
  REQUEST_SOURCE_MISMATCH: 'The request names another repository or commit than its job.',
  REQUEST_TOO_LONG:
    'The request asks for more than a week. Publish the job again with a shorter life: what has no verdict by then never will.',
  REVOCATIONS_FULL:
    'The key has signed as many revocations as are taken of one: 1,000, of the root key 10,000. End that key (`quorate rotate idp --at-once --since <index>`); of a root key that signed more, nothing of the project is believed any more. Of evidence that a log tells two stories: it is known of 32 log keys of the project.',
  REVOCATION_ISSUER_MISMATCH:
    'The revocation is signed by a key that the charter does not name as an identity provider, nor is it the root.',
  REVOCATION_NEEDS_ROOT:
    'The charter names the key; only the root key revokes it. Put `root.key` into `.quorate/` for this one command.',
  REVOCATION_PROJECT_MISMATCH: 'The revocation is of another project.',
  REVOCATION_SINCE_AHEAD:
    'The revocation is from a leaf on that the log does not have yet. Give an index up to the size of the log; without `--since` the command takes it.',
  REVOCATION_TARGET_UNKNOWN:
    'No operator of that name, or no such key, was ever enrolled in this project. `quorate jobs` and `quorate show` name them.',
  REVOCATION_UNREADABLE:
    'What was given as revocations holds none of this project that holds up; the message says why. Give the file that `quorate revoke --out` wrote.',
  REVOCATION_WITHHELD:
    'The log holds a revocation that the controller does not show, so the trusted worker signs nothing, and an owner no end of a key. Ask the owner what became of the controller. Where there is no such revocation, the owner says so with `quorate revoke <key> --since <index> --void-leaf <id>`.',
  RUN_CANCELLED:
    'The job ended without a verdict: its publisher cancelled it, or a revocation or a new charter does not allow it. The lease is over, and what was built on it is thrown away.',
  RUN_MISMATCH:
    'The evidence that is shown for a run is that of another one, or of another repository, ref, commit or job than was published.',
  RUN_NOT_TRUSTED: 'The evidence of a run holds, and comes to a lower level than is asked for.',
  RUN_LOST:
    'The journal of the controller was restored from a copy, and the rounds of this request are in no copy. Ask for the job again with another request.',
  RUN_OVER:
    'The job has its verdict, or was cancelled; nothing more is built for it, and there is nothing left to cancel.',
  SOURCE_HOST_NOT_ALLOWED:
    'The project does not allow source from this host. Its owner adds it with `quorate charter set --vcs`, with all that are to stay; or use one that is there.',
  SOURCE_MISMATCH: 'The artifact was built from another repository than you asked for (`--source`).',
  STORE_TREE_TOO_LARGE:
    'The tree has too many bytes. Make the outputs smaller, or give the job more disk (`limits: {disk: …}` in its job file).',
  STORE_TREE_TOO_MANY_BLOCKS: 'The tree has more blocks than a tree may have. Make fewer or larger files.',
  STORE_SILENT:
    'An artifact store did not say in time that it keeps what it was asked to keep, or said so of something else. The controller asks again by itself, and the run waits; look at the store.',
  TICKETS_FULL:
    'As many tickets of one key of the identity provider were used, or hosts joined with them, as are taken of one, as when somebody stole it and makes operators. The owner looks at `quorate controller members` and ends that key (docs/rotation.md).',
  TICKET_EXHAUSTED:
    'As many hosts have joined as the ticket was for. Ask the owner for one with more: `quorate invite <name> --hosts <n>`.',
  TICKET_ISSUER_MISMATCH:
    'The ticket is not signed by an identity provider of this project, or by one that the root key revoked. Ask the owner for another one.',
  TICKET_KEY_MISMATCH:
    'The ticket is bound to another key. Run `quorate key` on the host that shall join, and have the ticket made for what it prints.',
  TICKET_NOT_HELD:
    'Whoever joins has to have the ticket itself: its text holds a key beside what the controller is shown. Use the whole line of the ticket; update an older version of quorate.',
  TICKET_PROJECT_MISMATCH: 'The ticket is for another project than this controller serves.',
  TRUSTED_KEY_NOT_IN_CHARTER:
    'The charter does not name this key as a trusted worker. The owner names it: `quorate invite <name> --role trusted-worker --key <key>`.',
  VERDICT_FROM_FUTURE:
    "The verdict says it was given later than now. Check this host's clock (`timedatectl`); if that is right, do not use the artifact.",
  VERDICT_ISSUER_MISMATCH: 'The verdict is not signed by a controller that the charter names.',
  VERDICT_LOGGED_BEFORE:
    'The log holds the verdict at an earlier index than the bundle says: the controller logged it again to have it pass for a later one.',
  VERDICT_MISMATCH: 'The verdict contradicts itself.',
  VERDICT_NOT_IN_TIME: 'The verdict is dated before its last round, or after its trusted worker signed it.',
  VERDICT_RECEIPTS_MISMATCH: 'The verdict does not list exactly the receipts beside it.',
  VERDICT_REQUEST_MISMATCH: 'The verdict is not about the request beside it.',
  VERDICT_SUBJECTS_MISMATCH: 'The verdict lists other files than the builds it rests on.',
  VERDICT_TOO_OLD:
    'The verdict is older than you asked for with `--max-age`. Fetch what was built last, or have it built again.',
  VERDICT_UNSUPPORTED_BY_EVIDENCE:
    'The verdict claims a level that its receipts do not support. Do not trust the artifact.',
  WIRE_INVALID:
    'A message between two nodes does not have the fields it should; they may run different versions.',
  WIRE_TOO_LARGE:
    'A message is longer than the other side reads from this peer at this point: a receipt may have what its job allows, and takes a lease on the same stream.',
  WITNESS_OPERATORS_MISSING:
    'The verdict needs no co-signature, and too few operators had a worker sign the log that it is in: the controller could show everybody else another log. Fetch again later; the job goes on until they have, or its request ends.',
  WITNESS_MISSING:
    'No trusted worker that co-signed has signed the checkpoint of the log, so a dropped receipt could not be noticed.',
  WITNESS_SENDER_MISMATCH:
    'A witness line for a checkpoint was sent by another key than the one that signed it.',
  WITNESS_TIME:
    'A witness line has another time than the clock of the controller. Set the clocks of both (timedatectl).',
  WORKER_OLDER:
    'The worker is of a version of Quorate before the least one that the charter names, or states none, and gets no job of this controller. Update Quorate on its machine.',
} as const;

export type CoreErrorCode = keyof typeof coreErrors;
