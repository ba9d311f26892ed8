// The few globals that every engine gradwire runs in has (Node 20+, browsers), and that ES2022's own types leave out.
// `src/` is compiled without DOM and Node types, so whatever is not named here cannot be used there.

declare namespace WebAssembly {
  class Module {
    constructor(bytes: ArrayBufferView | ArrayBuffer);
  }
  class Instance {
    constructor(module: Module, imports?: Record<string, Record<string, unknown>>);
    readonly exports: Record<string, unknown>;
  }
  class Memory {
    constructor(descriptor: { initial: number; maximum?: number; shared?: boolean });
    readonly buffer: ArrayBuffer;
  }
}

declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(input: ArrayBufferView): string;
}

declare class TextEncoder {
  encodeInto(text: string, into: Uint8Array): { read: number; written: number };
  encode(input: string): Uint8Array<ArrayBuffer>;
}

declare function atob(text: string): string;
