// The names of `gradwire/sockets`: a trainer on a port, and its replicas and workers.

export { connect } from './client/connect.ts';
export type { Connect } from './client/connect-by.ts';
export type { ClientTls, ReplicaOptions, WorkerOptions } from './client/connect-options.ts';
export type { FollowerCounts } from './client/counts.ts';
export type { FaultKind } from './client/faults.ts';
export type { AppliedFrame, Stamp } from './client/holding.ts';
export type { Pushed } from './client/outbox.ts';
export type { WorkerBatch } from './client/pushes.ts';
export { RemoteReplica, RemoteWorker, type WaitOptions } from './client/remote-replica.ts';
export type { ClientSocket, SocketClass } from './client/socket-class.ts';
export type { ConnectionStatus } from './client/standing.ts';
export { tap } from './client/tap.ts';
export type { TapOptions } from './client/tap-options.ts';
export { type CloseCode, closeCodes } from './protocol/close-codes.ts';
export type { Epochs } from './protocol/resume.ts';
export type { Mode, Role } from './protocol/words.ts';
export type { RelayStatus } from './relay/mirror.ts';
export { Relay, relay } from './relay/relay.ts';
export type { RelayOptions } from './relay/relay-options.ts';
export type { Scope, Token, TokenSource } from './server/access/tokens.ts';
export type { Page, Pages } from './server/pages.ts';
export type { PeerInfo } from './server/peer-info.ts';
export type { ServeLimits, ServeOptions } from './server/serve-options.ts';
export type { Control, Served } from './server/served.ts';
export { type Server, serve } from './server/server.ts';
export type { Pem, TlsOptions } from './server/tls.ts';
