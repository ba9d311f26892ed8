// The largest magnitude of float32 values, in AssemblyScript: bits without their sign are in the order of the floats. The values lie from byte 0 on.

@inline
function larger(most: v128, at: usize): v128 {
  return i32x4.max_s(most, v128.and(v128.load(at), i32x4.splat(0x7fff_ffff)));
}

/** The bits of the largest magnitude in `byteLength` bytes, a multiple of 64. */
export function largest(byteLength: usize): i32 {
  let a = i32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  for (let at: usize = 0; at < byteLength; at += 64) {
    a = larger(a, at);
    b = larger(b, at + 16);
    c = larger(c, at + 32);
    d = larger(d, at + 48);
  }
  a = i32x4.max_s(i32x4.max_s(a, b), i32x4.max_s(c, d));
  const low = max<i32>(i32x4.extract_lane(a, 0), i32x4.extract_lane(a, 1));
  return max<i32>(low, max<i32>(i32x4.extract_lane(a, 2), i32x4.extract_lane(a, 3)));
}
