// The protections of the journal and of the wire, each as the change that takes it away, and the test that must see it.

/** A protection removed. */
export interface Control {
  /** What is lost without it. */
  readonly name: string;
  readonly file: string;
  /** Stands there once. */
  readonly find: string;
  readonly replace: string;
  /** A word of the path of the test. */
  readonly test: string;
  /** What its failure says. */
  readonly expected: RegExp;
  /** For a shorter form of the test. */
  readonly env?: Readonly<Record<string, string>>;
  /** Takes longer than the others: left out unless GRADWIRE_LONG is 1. */
  readonly long?: boolean;
}

const appended = 'streams/recordings/segment/appended.ts';
const series = 'streams/recordings/segment/series.ts';
const disk = 'streams/recordings/disk.ts';
const journal = 'streams/recordings/journal/journal.ts';
const snapshots = 'streams/recordings/journal/snapshots.ts';

const syncs = "durability === 'fsync' ? this.sync() : undefined";
const wholeSync = '      await file.sync();\n      // looked at';

const quickly = { GRADWIRE_RUNS: '100', GRADWIRE_SEED: '1' } as const;

/** Every protection with its control. */
export const controls: readonly Control[] = [
  {
    name: 'a group is synced before it counts',
    file: appended,
    find: syncs,
    replace: 'undefined',
    test: 'faults/order',
    expected: /before the bytes of seg-.* are on disk/,
  },
  {
    name: 'a group is synced before it counts: a real power cut',
    file: appended,
    find: syncs,
    replace: 'undefined',
    test: 'faults/power',
    expected: /acknowledged batches are lost|E_RECORDING|E_SNAPSHOT/,
    env: { GRADWIRE_CUTS: '15' },
  },
  {
    name: 'the directory is synced after a segment is made',
    file: appended,
    find: "if (durability === 'fsync') await syncDirectory(dirname(path)).catch((cause) => file.#seal(cause));",
    replace: '',
    test: 'faults/order',
    expected: /before the name of seg-.* is on disk/,
  },
  {
    name: 'what another process wrote is synced before it is built upon',
    file: 'streams/recordings/journal/epoch.ts',
    find: "if (settings.durability === 'fsync') await syncSegments(history);",
    replace: 'void syncSegments;',
    test: 'faults/order',
    expected: /before the bytes of seg-.* are on disk/,
  },
  {
    name: 'a snapshot, and a claim, is synced before it gets its name',
    file: disk,
    find: wholeSync,
    replace: '      // looked at',
    test: 'faults/order',
    expected: /gets its name before its bytes are on disk/,
  },
  {
    name: 'the directory is synced after a snapshot, or a claim, gets its name',
    file: disk,
    find: '    await syncDirectory(dirname(path));\n    return written;',
    replace: '    return written;',
    test: 'faults/order',
    expected: /before the name of .* is on disk/,
  },
  {
    name: 'what a failed write has left is cut off',
    file: appended,
    find: 'if (size > this.#bytes) await this.#truncate();',
    replace: 'void size;',
    test: 'faults/damaged',
    expected: /FAIL {2}"what a write that failed/,
  },
  {
    name: 'the epoch is looked at before an acknowledgement',
    file: appended,
    find: ', confirm?.()]',
    replace: ', void confirm]',
    test: 'faults/replaced',
    expected: /FAIL {2}"a trainer that stops anywhere/,
    env: { GRADWIRE_CALLS: 'pwritev' },
  },
  {
    name: 'a claim knows its own file, not whichever has the name',
    file: disk,
    find: '    return written;',
    replace: '    return await stat(path, { bigint: true });',
    test: 'faults/replaced',
    expected: /FAIL {2}"a trainer that stops anywhere/,
    env: { GRADWIRE_CALLS: 'rename' },
  },
  {
    name: 'an acknowledgement comes after the commit',
    file: 'streams/recordings/journal/group-commit.ts',
    find: 'const { write, pass } = this.#options;',
    replace: "const { write } = this.#options; const pass = 'before';",
    test: 'faults/order',
    // the write has begun by then, and may have ended: what is certain is that the sync has not
    expected: /"ack .*" before (it is written|the bytes of seg-.* are on disk)/,
  },
  {
    name: 'the windows of sequence numbers are rebuilt from the journal',
    file: journal,
    find: 'producers.noteFolded(batch, batch.version);',
    replace: '',
    test: 'recordings/journal',
    expected: /FAIL/,
  },
  {
    name: 'a chunk is checked by its CRC',
    file: 'streams/recordings/segment/parse.ts',
    find: 'if (crc32(content) !== crc) throw',
    replace: 'if (crc < 0) throw',
    test: 'faults/damaged',
    expected: /FAIL {2}"a damaged record before a sound one/,
  },
  {
    name: 'versions follow from segment to segment',
    file: 'streams/recordings/history/chunks.ts',
    find: 'if (firstVersion === version) return;',
    replace: 'if (version > 0) return;',
    test: 'recordings/replay',
    expected: /FAIL {2}"a missing segment is a gap/,
  },
  {
    name: 'a sound record after a damaged one proves that it had been acknowledged',
    file: 'streams/recordings/history/torn.ts',
    find: 'if (valid !== undefined)',
    replace: 'if (valid !== undefined && valid < 0)',
    test: 'faults/damaged',
    expected: /FAIL {2}"a damaged record before a sound one/,
  },
  {
    name: 'nothing is removed that the second newest snapshot needs',
    file: snapshots,
    find: 'this.#verified.at(-2)',
    replace: 'this.#verified.at(-1)',
    test: 'faults/damaged',
    expected: /FAIL {2}"whatever has been removed/,
  },
  {
    name: 'a snapshot is read back before anything is removed for it',
    file: snapshots,
    find: 'await demandSame(path, frame);',
    replace: 'void demandSame;',
    test: 'faults/damaged',
    expected: /FAIL {2}"a disk that only says/,
  },
  {
    name: 'the epoch is claimed before the recording is read',
    file: journal,
    find: `  const { fence, segments } = await claim(directory, settings);
  // read after the claim: from now on nobody else can acknowledge anything here
  const found = await recover(directory, segments);
`,
    replace: `  const found = await recover(directory);
  const { fence } = await claim(directory, settings);
`,
    test: 'faults/replaced',
    expected: /FAIL {2}"a trainer that stops anywhere/,
    env: { GRADWIRE_CALLS: 'openat' },
  },
  {
    name: 'a disk that takes writes again is found out',
    file: 'streams/recordings/journal/mending.ts',
    find: '      this.#trouble = undefined;',
    replace: '',
    test: 'faults/errors-at',
    // nothing is acknowledged ever again
    expected: /FAIL {2}"every call fails once|was killed after/,
    env: { GRADWIRE_CALLS: 'pwritev' },
    long: true,
  },
  {
    name: 'a failed sync is the end, not a second try',
    file: appended,
    find: 'await this.#file.datasync().catch((cause) => this.#seal(cause));',
    replace: 'await this.#file.datasync().catch((cause) => Promise.reject(diskError(this.path, cause)));',
    test: 'faults/errors-at',
    expected: /FAIL {2}"every call fails once/,
    env: { GRADWIRE_CALLS: 'fdatasync' },
    long: true,
  },
  {
    name: 'after a group that failed the versions are given away anew',
    file: 'streams/operators/admission/desk.ts',
    find: 'this.#revoked = true;',
    replace: '',
    test: 'faults/errors-at',
    // nothing is acknowledged ever again
    expected: /FAIL {2}"every call fails once|was killed after/,
    env: { GRADWIRE_CALLS: 'pwritev' },
    long: true,
  },
  {
    name: 'a series that failed takes nothing more',
    file: series,
    find: 'if (!isFull(error)) this.#failure = error;',
    replace: '',
    test: 'recordings/journal',
    expected: /FAIL/,
    long: true,
  },
  {
    name: 'a replica applies an update only on the version that it follows',
    file: 'src/replica.ts',
    find: "if (header.from !== mine.version) return 'gap';",
    replace: '',
    test: 'sockets/fuzz-client',
    expected: /FAIL {2}".* frames and messages mutated/,
    env: quickly,
  },
  {
    name: 'a replica takes no update of an epoch that it was not told of',
    file: 'src/replica.ts',
    find: ' || header.epoch > mine.epoch',
    replace: '',
    test: 'replica.test',
    expected: /FAIL/,
  },
  {
    name: 'a replica compares its digest with the update’s',
    file: 'src/replica.ts',
    find: 'this.#verify(header);',
    replace: 'void this.#verify;',
    test: 'replica.test',
    expected: /FAIL/,
  },
  {
    name: 'the bytes of an update have the hash that its header gives them',
    file: 'src/frames/update.ts',
    find: "if (found !== digestIn(metadata, 'check')) {",
    replace: 'if (found === undefined) {',
    test: 'sockets/fuzz-client',
    expected: /FAIL {2}".* frames and messages mutated/,
    env: quickly,
  },
  {
    name: 'the header of a frame has the hash that it gives itself',
    file: 'src/replica.ts',
    find: '      checkHeader(frame, file.metadata);\n',
    replace: '',
    test: 'frames/frames',
    expected: /FAIL {2}"a header that was changed on its way/,
  },
  {
    name: 'who comes back with other weights of the same version starts over',
    file: 'streams/sockets/protocol/resume.ts',
    find: "if (digest !== undefined && resume.digest !== undefined && digest !== resume.digest) return 'diverged';",
    replace: 'void digest;',
    test: 'sockets/protocol',
    expected: /FAIL/,
  },
  {
    name: 'a replica that is ahead of a heartbeat starts over',
    file: 'streams/sockets/client/holding.ts',
    find: 'if (mine > version || digest !== this.replica.digest())',
    replace: 'if (mine === version && digest !== this.replica.digest())',
    test: 'sockets/fuzz-client',
    // it waits for ever
    expected: /was killed after/,
    env: { ...quickly, GRADWIRE_WATCHDOG_S: '40' },
    long: true,
  },
  {
    name: 'all weights are of the trainer that said welcome',
    file: 'streams/sockets/client/holding.ts',
    find: 'this.replica.accept(frame, this.#trainer)',
    replace: 'this.replica.accept(frame)',
    test: 'sockets/fuzz-client',
    expected: /was killed after/,
    env: { ...quickly, GRADWIRE_WATCHDOG_S: '40' },
    long: true,
  },
];
