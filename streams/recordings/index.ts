// The names of `gradwire/recordings`: recordings of gradient streams, their replay, and the journal of a trainer.
export type { RecordedBatch } from './history/batches.ts';
export type { ReadProgress } from './history/chunks.ts';
export { type FoldStart, foldFrom } from './history/fold-from.ts';
export { type OpenOptions, openRecording, type Recording, type RecordingSegment } from './history/recording.ts';
export { type ReplayOptions, replay } from './history/replay.ts';
export type { TornTail } from './history/torn.ts';
export { type Exported, type ExportOptions, exportArrays } from './instruments/export/export.ts';
export { type Norms, NormsGathering, type NormsOptions, norms, type ProducerNorms } from './instruments/norms.ts';
export { type RestoreOptions, restore } from './instruments/restore.ts';
export type { Finding, Verification, VerifiedSnapshot } from './instruments/verify/findings.ts';
export { type VerifyOptions, verify } from './instruments/verify/verify.ts';
export { type Journal, type JournalStart, openJournal, type RecoveryReport } from './journal/journal.ts';
export type { JournalOptions } from './journal/options.ts';
export type { Retention } from './journal/retention.ts';
export { record } from './record/record.ts';
export type { Recordable, RecordOptions } from './record/recorder.ts';
export type { Durability } from './segment/appended.ts';
