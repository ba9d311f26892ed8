// The names of `gradwire/sockets` in a browser: the client alone, without anything of Node.

export { connect } from './client/connect-browser.ts';
export type { Connect } from './client/connect-by.ts';
export type { ReplicaOptions, WorkerOptions } from './client/connect-options.ts';
export type { FollowerCounts } from './client/counts.ts';
export type { FaultKind } from './client/faults.ts';
export type { AppliedFrame, Stamp } from './client/holding.ts';
export type { Pushed } from './client/outbox.ts';
export type { WorkerBatch } from './client/pushes.ts';
export { RemoteReplica, RemoteWorker, type WaitOptions } from './client/remote-replica.ts';
export type { ClientSocket, SocketClass } from './client/socket-class.ts';
export type { ConnectionStatus } from './client/standing.ts';
export { type CloseCode, closeCodes } from './protocol/close-codes.ts';
export type { Mode } from './protocol/words.ts';
