// The close codes of the WebSocket protocol: 4000 to 4499 ask the client to come back, 4500 to 4999 tell it not to.

/** Why a connection ends. */
export const closeCodes = {
  /** The trainer shuts down; come back. */
  shutdown: 4001,
  /** The peer reads too slowly; come back later. */
  slow: 4002,
  /** The peer was not heard in time; come back. */
  silent: 4003,
  /** The trainer is older than one that the replica has seen already; look for the newer one. */
  fenced: 4004,
  /** Something failed inside; come back. */
  internal: 4005,
  /** More batches or bytes in flight than the credit allows; come back and send the unanswered ones again. */
  credit: 4006,
  /** The place in the stream was lost, by the replica or by a relay; the client comes back to resume. */
  resync: 4007,
  /** Too much of something at once; come back later. */
  busy: 4008,
  /** A control message that is broken, or that does not belong there. */
  badRequest: 4500,
  /** A token is needed, or the one given is not good. */
  unauthenticated: 4501,
  /** The producer has been fenced by a newer epoch of the same name, or the role may not do this. */
  forbidden: 4502,
  /** No hello in time. */
  helloTimeout: 4503,
  /** A message beyond its limit. */
  limit: 4504,
  /** Another version of the protocol. */
  protocolVersion: 4505,
  /** Another model. */
  wrongModel: 4506,
  /** A tensor that the model does not have. */
  unknownTensor: 4507,
} as const;

/** One of the codes. */
export type CloseCode = (typeof closeCodes)[keyof typeof closeCodes];

/** Whether a client that was closed with this code must not come back by itself. */
export function isFinal(code: number): boolean {
  return code >= 4500 && code <= 4999;
}

// a close frame holds 125 bytes, two of them the code
const reasonBytes = 123;

/** Text that fits into a close frame: cut at a character, at most 123 bytes of UTF-8. */
export function closeReason(text: string): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.byteLength <= reasonBytes) return text;
  let end = reasonBytes - '…'.length * 3;
  while ((bytes[end] & 0xc0) === 0x80) end -= 1;
  return `${new TextDecoder().decode(bytes.subarray(0, end))}…`;
}
