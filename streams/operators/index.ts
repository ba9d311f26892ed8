// The names of `gradwire/streams`: a trainer's stations as RxJS operators; they run in every engine.
export type { AdmissionPolicies, QuarantineRule, RateLimit, SynchronousMode } from './admission/policies.ts';
export type { Quarantined } from './admission/quarantine.ts';
export { type AdmissionStatus, AdmissionTally, type RoundsStatus } from './admission/tally.ts';
export { type AdmitOptions, admit } from './admit.ts';
export type { Ack, Admitted, Answer, Arrival, Nack, Publication, Step } from './flow.ts';
export { type PublishOptions, type PublishSettings, publish } from './publish.ts';
export { type RMSpropOperatorOptions, rmsprop } from './rmsprop.ts';
export { type SnapshotContext, type SnapshotOptions, snapshot } from './snapshot.ts';
export type { SourceFollower, TrainingSource } from './source.ts';
export type { Tapped, TappedBatch, TapStart } from './tapped.ts';
