// The element types of safetensors, and the typed array that holds each.

/** The element types that are read and written: those of the reference except the ones smaller than a byte and complex numbers. */
export type Dtype =
  | 'BOOL'
  | 'U8'
  | 'I8'
  | 'F8_E5M2'
  | 'F8_E4M3'
  | 'I16'
  | 'U16'
  | 'F16'
  | 'BF16'
  | 'I32'
  | 'U32'
  | 'F32'
  | 'F64'
  | 'I64'
  | 'U64';

/** A tensor's elements. Types without an array of their own lie in unsigned integers: F16 and BF16 in `Uint16Array`, BOOL and F8 in `Uint8Array`. */
export type TensorData =
  | Uint8Array
  | Int8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

/** A constructor of one class of typed arrays, as views of a buffer. */
interface ArrayClass {
  readonly name: string;
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): TensorData;
}

/** The array class of each dtype. */
export const arrayClasses: Readonly<Record<Dtype, ArrayClass>> = {
  BOOL: Uint8Array,
  U8: Uint8Array,
  I8: Int8Array,
  F8_E5M2: Uint8Array,
  F8_E4M3: Uint8Array,
  I16: Int16Array,
  U16: Uint16Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I32: Int32Array,
  U32: Uint32Array,
  F32: Float32Array,
  F64: Float64Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
};

const byClass: ReadonlyMap<string, Dtype> = new Map<string, Dtype>([
  ['Uint8Array', 'U8'],
  ['Int8Array', 'I8'],
  ['Int16Array', 'I16'],
  ['Uint16Array', 'U16'],
  ['Int32Array', 'I32'],
  ['Uint32Array', 'U32'],
  ['Float32Array', 'F32'],
  ['Float64Array', 'F64'],
  ['BigInt64Array', 'I64'],
  ['BigUint64Array', 'U64'],
]);

/** The name of a typed array's class, `Uint8Array` for a Node `Buffer` too, or undefined for anything else; true across realms. */
export function className(data: unknown): string | undefined {
  return ArrayBuffer.isView(data) ? (data as Partial<Uint8Array>)[Symbol.toStringTag] : undefined;
}

/** The dtype that a typed array of that class has unless another is named. */
export function dtypeOfClass(name: string | undefined): Dtype | undefined {
  return name === undefined ? undefined : byClass.get(name);
}

/** Whether the text, which may come from outside, names a dtype. */
export function isDtype(text: unknown): text is Dtype {
  return typeof text === 'string' && Object.hasOwn(arrayClasses, text);
}
