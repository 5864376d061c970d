import type { Counters } from "./counters.ts";
import type { GpuMode } from "./modes.ts";
import { type Piece, Pool } from "./pool.ts";

/** What gpu.js takes and gives: an array where kernels run in the engine, else a texture or a buffer of the GPU. */
export type Handle = Float32Array | DeviceHandle;

/** A result that stays on the GPU, as gpu.js hands it out in its pipeline mode. */
export interface DeviceHandle {
  /** gpu.js's name for the type of an argument. */
  type: string;
  /** The number of cells. */
  output: readonly number[];
}

/** A kernel of gpu.js, as far as its memory is concerned. */
export type GpuJsKernel = object;

/** How the memory of results is had, read and given back, in one kind of mode. */
export interface DeviceMemory {
  /** Whether results stay on the device. */
  readonly isResident: boolean;
  /** Whether the GPU was taken away, with everything on it. */
  isLost(): boolean;
  /** Before a call: what the kernel will write to is in nobody's use. */
  prepare(kernel: GpuJsKernel): void;
  /** After a call: notes what it wrote to; `count` cells, also where each thread has written four. */
  adopt(kernel: GpuJsKernel, handle: Handle, count: number): void;
  /** Before a kernel is destroyed: what others still use outlives it. */
  detach(kernel: GpuJsKernel): void;
  read(handle: Handle): Float32Array | Promise<Float32Array>;
  recycle(handle: Handle): void;
}

export function deviceMemoryOf(mode: GpuMode, counters: Counters): DeviceMemory {
  if (mode === "webgpu") return new BufferMemory(counters);
  if (mode === "webgl2" || mode === "headlessgl") return new TextureMemory(counters);
  return arrays;
}

/** Kernels that run in the engine answer with arrays; the collector sees to them. */
const arrays: DeviceMemory = {
  isResident: false,
  isLost: () => false,
  prepare: () => {},
  adopt: () => {},
  detach: () => {},
  read: (handle) => handle as Float32Array,
  recycle: () => {},
};

interface Texture extends WebGLTexture, Piece {}

/** gpu.js's name of a texture with four cells a texel, which lie in memory as four numbers of a thread do. */
const PACKED = "MemoryOptimizedNumberTexture";

interface TextureHandle extends DeviceHandle {
  readonly context: WebGL2RenderingContext;
  readonly size: readonly [number, number];
  readonly internalFormat: number;
  dimensions: readonly number[];
  texture: Texture;
  /** Puts a new texture in the place of the one it stands for. */
  newTexture(): void;
}

interface TextureKernel {
  /** What it wrote to last. */
  readonly texture: TextureHandle | null;
  readonly textureCache: Texture[];
  /** Whether the texture is another than the one attached for writing. */
  _textureSwitched: boolean;
}

/** Textures of WebGL, one cell a texel or four. A kernel keeps the last one that it wrote to, and writes to it again if it may. */
class TextureMemory implements DeviceMemory {
  readonly isResident = true;
  readonly #pool: Pool<Texture>;
  #context: WebGL2RenderingContext | null = null;
  #framebuffer: WebGLFramebuffer | null = null;

  constructor(counters: Counters) {
    this.#pool = new Pool(counters, (texture) => this.#context?.deleteTexture(texture));
  }

  isLost(): boolean {
    return this.#context?.isContextLost() ?? false;
  }

  prepare(kernel: TextureKernel): void {
    const { texture: last } = kernel;
    if (!last || last.texture._refs === 1) return;
    const free = this.#pool.take(keyOf(last));
    if (free) {
      last.texture._refs--;
      free._refs = 1;
      last.texture = free;
    } else last.newTexture();
    kernel._textureSwitched = true;
  }

  adopt(kernel: TextureKernel, handle: TextureHandle, count: number): void {
    this.#context ??= handle.context;
    const { texture, size, type } = handle;
    const isPacked = type === "ArrayTexture(4)";
    if (isPacked) Object.assign(handle, { type: PACKED, output: [count], dimensions: [count, 1, 1] });
    // With WebGL 1 a kernel takes what it made along when it is destroyed.
    const index = kernel.textureCache.indexOf(texture);
    if (index >= 0) kernel.textureCache.splice(index, 1);
    this.#pool.use(texture, keyOf(handle), (isPacked ? 16 : 4) * size[0] * size[1]);
  }

  detach({ texture }: TextureKernel): void {
    if (texture?.texture._refs === 1) this.#pool.forget(texture.texture);
  }

  /** RGBA can be read in every mode; the cells are its red where they are not packed. */
  read({ context: gl, texture, type, size: [width, height], output: [count = 1] }: TextureHandle): Float32Array {
    this.#framebuffer ??= gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.#framebuffer);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    const texels = new Float32Array(4 * width * height);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.FLOAT, texels);
    if (type === PACKED) return texels.slice(0, count);
    return Float32Array.from({ length: count }, (_, i) => texels[4 * i]!);
  }

  recycle({ texture }: TextureHandle): void {
    this.#pool.letGo(texture);
  }
}

/** What textures must have in common to stand in for each other. */
function keyOf({ size, internalFormat }: TextureHandle): string {
  return `${size.join("×")} ${internalFormat}`;
}

interface GpuBuffer extends Piece {
  readonly size: number;
  destroy(): void;
}

interface BufferHandle extends DeviceHandle {
  readonly buffer: GpuBuffer;
  readonly context: { readonly isLost: boolean };
  /** Numbers of a thread: they lie side by side, so that cells are the same to others. */
  componentCount: number;
  toArray(): Promise<Float32Array>;
}

interface BufferKernel {
  /** What it wrote to last; without one it makes a new one. */
  outputBuffer: GpuBuffer | null;
  bindGroupDirty: boolean;
  /** Buffers through which its results are read; it takes them along when it is destroyed. */
  stagingPool: StagingBuffer[];
}

interface StagingBuffer {
  /** Whether something is being read through it. */
  readonly busy: boolean;
  /** Whether it is kept after that, or destroyed. */
  pooled: boolean;
}

/** Buffers of WebGPU. Commands run in the order in which they are given: what is free may be written at once. */
class BufferMemory implements DeviceMemory {
  readonly isResident = true;
  readonly #pool: Pool<GpuBuffer>;
  #context: BufferHandle["context"] | null = null;

  constructor(counters: Counters) {
    this.#pool = new Pool(counters, (buffer) => buffer.destroy());
  }

  isLost(): boolean {
    return this.#context?.isLost ?? false;
  }

  prepare(kernel: BufferKernel): void {
    const { outputBuffer: last } = kernel;
    if (!last || last._refs === 1) return;
    last._refs--;
    kernel.outputBuffer = this.#pool.take(`${last.size}`);
    if (kernel.outputBuffer) kernel.outputBuffer._refs = 1;
    kernel.bindGroupDirty = true;
  }

  adopt(_: BufferKernel, handle: BufferHandle, count: number): void {
    const { buffer, context } = handle;
    this.#context ??= context;
    Object.assign(handle, { componentCount: 1, output: [count] });
    this.#pool.use(buffer, `${buffer.size}`, buffer.size);
  }

  detach(kernel: BufferKernel): void {
    const { outputBuffer, stagingPool } = kernel;
    if (outputBuffer?._refs === 1) this.#pool.forget(outputBuffer);
    for (const staging of stagingPool) if (staging.busy) staging.pooled = false;
    kernel.stagingPool = stagingPool.filter(({ busy }) => !busy);
  }

  read(handle: BufferHandle): Promise<Float32Array> {
    return handle.toArray();
  }

  recycle({ buffer }: BufferHandle): void {
    this.#pool.letGo(buffer);
  }
}
