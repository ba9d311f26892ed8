// xxHash64 with seed 0, in AssemblyScript: the four lanes lie at byte 0, the input from byte 64 on. After Yann Collet's specification.

const input: usize = 64;

const prime1: u64 = 0x9e3779b185ebca87;
const prime2: u64 = 0xc2b2ae3d27d4eb4f;
const prime3: u64 = 0x165667b19e3779f9;
const prime4: u64 = 0x85ebca77c2b2ae63;
const prime5: u64 = 0x27d4eb2f165667c5;

@inline
function round(lane: u64, word: u64): u64 {
  return rotl<u64>(lane + word * prime2, 31) * prime1;
}

function merge(hash: u64, lane: u64): u64 {
  return (hash ^ round(0, lane)) * prime1 + prime4;
}

/** The lanes before any input. */
export function begin(): void {
  store<u64>(0, prime1 + prime2);
  store<u64>(8, prime2);
  store<u64>(16, 0);
  store<u64>(24, 0 - prime1);
}

/** Takes `byteLength` bytes of input, a multiple of 32, into the lanes. */
export function stripes(byteLength: usize): void {
  let lane1 = load<u64>(0);
  let lane2 = load<u64>(8);
  let lane3 = load<u64>(16);
  let lane4 = load<u64>(24);
  const end = input + byteLength;
  for (let at = input; at < end; at += 32) {
    lane1 = round(lane1, load<u64>(at));
    lane2 = round(lane2, load<u64>(at, 8));
    lane3 = round(lane3, load<u64>(at, 16));
    lane4 = round(lane4, load<u64>(at, 24));
  }
  store<u64>(0, lane1);
  store<u64>(8, lane2);
  store<u64>(16, lane3);
  store<u64>(24, lane4);
}

/** The hash of `total` bytes, of which the last `rest`, fewer than 32, are still input. */
export function finish(total: f64, rest: usize): u64 {
  let hash: u64 = prime5;
  if (total >= 32) {
    hash = rotl<u64>(load<u64>(0), 1) + rotl<u64>(load<u64>(8), 7) + rotl<u64>(load<u64>(16), 12) + rotl<u64>(load<u64>(24), 18);
    for (let lane: usize = 0; lane < 32; lane += 8) hash = merge(hash, load<u64>(lane));
  }
  hash += <u64>total;
  let at = input;
  const end = input + rest;
  for (; at + 8 <= end; at += 8) hash = rotl<u64>(hash ^ round(0, load<u64>(at)), 27) * prime1 + prime4;
  if (at + 4 <= end) {
    hash = rotl<u64>(hash ^ (load<u32>(at) as u64) * prime1, 23) * prime2 + prime3;
    at += 4;
  }
  for (; at < end; at++) hash = rotl<u64>(hash ^ (load<u8>(at) as u64) * prime5, 11) * prime1;
  hash = (hash ^ (hash >> 33)) * prime2;
  hash = (hash ^ (hash >> 29)) * prime3;
  return hash ^ (hash >> 32);
}
