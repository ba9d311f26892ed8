// The bytes of binary WebSocket messages as a server sends them: not masked, each in one frame (RFC 6455, section 5.2).

// FIN, and the opcode of a binary frame
const finalBinary = 0x82;

/** These payloads as messages, one after the other, in one buffer. */
export function messages(payloads: readonly Uint8Array[]): Buffer {
  const length = payloads.reduce((sum, { byteLength }) => sum + headerBytes(byteLength) + byteLength, 0);
  const bytes = Buffer.allocUnsafe(length);
  let at = 0;
  for (const payload of payloads) {
    at = writeHeader(bytes, at, payload.byteLength);
    bytes.set(payload, at);
    at += payload.byteLength;
  }
  return bytes;
}

function headerBytes(payloadBytes: number): number {
  return payloadBytes < 126 ? 2 : payloadBytes < 65_536 ? 4 : 10;
}

function writeHeader(bytes: Buffer, at: number, payloadBytes: number): number {
  bytes[at] = finalBinary;
  if (payloadBytes < 126) return bytes.writeUInt8(payloadBytes, at + 1);
  if (payloadBytes < 65_536) {
    bytes[at + 1] = 126;
    return bytes.writeUInt16BE(payloadBytes, at + 2);
  }
  bytes[at + 1] = 127;
  return bytes.writeBigUInt64BE(BigInt(payloadBytes), at + 2);
}
