import type { Handle } from "./device-memory.ts";

export type Later<T> = T | Promise<T>;

/** What can hold cells: it copies them to the device and back, and takes their memory again. */
export interface CellsDevice {
  upload(values: Float32Array): Later<Handle>;
  read(handle: Handle): Later<Float32Array>;
  /** A copy of a stretch of cells. */
  cut(whole: Cells, first: number, count: number): Later<Handle>;
  recycle(handle: Handle): void;
}

/**
 * Numbers on the host, on the device, or both; int32 is held as float32. What comes from the host is copied to the device
 * when a kernel first takes it. In asynchronous modes they may still be on their way.
 *
 * They are counted like the texts of a library: whoever keeps them retains them, and the last to release them gives the
 * memory of the device back.
 */
export class Cells {
  #users = 1;
  #host: Later<Float32Array> | null;
  #handle: Later<Handle> | null;
  /** What these are a stretch of, as long as they have not been cut out of it. */
  #stretch: Stretch | null = null;
  /** What to take if it fails, as long as that is not known. */
  #instead: ((error: unknown) => Later<Handle>) | null = null;

  private constructor(
    readonly count: number,
    readonly device: CellsDevice,
    host: Later<Float32Array> | null,
    handle: Later<Handle> | null,
    readonly staysOnHost: boolean,
  ) {
    this.#host = quiet(host);
    this.#handle = quiet(handle);
  }

  /** @param staysOnHost whether the host will ask for them again, as it does for indices */
  static onHost(device: CellsDevice, count: number, values: Later<Float32Array>, staysOnHost = false): Cells {
    return new Cells(count, device, values, null, staysOnHost);
  }

  static onDevice(device: CellsDevice, count: number, handle: Later<Handle>): Cells {
    return new Cells(count, device, null, handle, false);
  }

  /** `count` of the cells of others; they get memory of their own when they are used by themselves. */
  static stretchOf(whole: Cells, first: number, count: number): Cells {
    const cells = new Cells(count, whole.device, null, null, false);
    cells.#stretch = { whole: whole.retain(), first };
    return cells;
  }

  /** The cells of which all of these are the stretches, in order and without gaps; null if there are none such. */
  static wholeOf(parts: readonly Cells[]): Cells | null {
    const stretches = parts.map((part) => part.#stretch);
    const whole = stretches[0]?.whole ?? null;
    let end = 0;
    for (const [i, stretch] of stretches.entries()) {
      if (stretch?.whole !== whole || stretch?.first !== end) return null;
      end += parts[i]!.count;
    }
    return whole?.count === end ? whole : null;
  }

  retain(): this {
    this.#users++;
    return this;
  }

  release(): void {
    this.#users--;
    if (this.#users > 0) return;
    this.#leaveWhole();
    this.#instead = null; // it knows the cells of the step before
    if (!this.#handle) return;
    const { device } = this;
    if (this.#handle instanceof Promise)
      this.#handle.then(
        (handle) => device.recycle(handle),
        () => {},
      );
    else device.recycle(this.#handle);
    this.#handle = null;
  }

  /** As an argument of a kernel. */
  handle(): Later<Handle> {
    if (this.#handle) return this.#handle;
    if (this.#stretch) return this.#cut(this.#stretch);
    const host = this.#host!;
    // An array without cells cannot be handed over; no kernel reads what stands in for it.
    const upload = (values: Float32Array) => this.device.upload(this.count === 0 ? new Float32Array(1) : values);
    this.#handle = host instanceof Promise ? host.then(upload) : upload(host);
    if (!this.staysOnHost && this.count > 0) this.#host = null;
    return quiet(this.#handle)!;
  }

  #cut({ whole, first }: Stretch): Later<Handle> {
    const handle = this.device.cut(whole, first, this.count);
    const takeInstead = (error: unknown): Later<Handle> => {
      if (!this.#instead) throw error;
      return this.#instead(error);
    };
    this.#handle = quiet(handle instanceof Promise ? handle.catch(takeInstead) : handle);
    this.#leaveWhole();
    return this.#handle!;
  }

  #leaveWhole(): void {
    this.#stretch?.whole.release();
    this.#stretch = null;
  }

  /** Lets those that are on their way wait for a condition too, and fail with it. */
  require(condition: Promise<void>): void {
    const [host, handle] = [this.#host, this.#handle];
    if (host) this.#host = quiet(condition.then(() => host));
    if (!handle) return;
    const giveBack = async (error: unknown): Promise<never> => {
      this.device.recycle(await handle);
      throw error;
    };
    this.#handle = quiet(condition.then(() => handle, giveBack));
  }

  /** What to take instead if those that are on their way fail. @returns when it is known which */
  insure(instead: (error: unknown) => Later<Handle>): Later<unknown> {
    if (this.#stretch) return this.#insureStretch(this.#stretch, instead);
    if (this.#handle instanceof Promise) this.#handle = quiet(this.#handle.catch(instead));
    return this.#handle;
  }

  /** Where the whole fails, they are a stretch of it no more. */
  #insureStretch({ whole }: Stretch, instead: (error: unknown) => Later<Handle>): Later<unknown> {
    const handle = whole.handle();
    if (!(handle instanceof Promise)) return handle;
    this.#instead = instead;
    const succeed = () => {
      this.#instead = null;
    };
    return handle.then(succeed, (error) => {
      if (!this.#stretch) return; // given back, or cut out
      this.#handle = quiet(instead(error));
      this.#leaveWhole();
    });
  }

  /** As an array of the host, which is not to be changed. */
  values(): Later<Float32Array> {
    if (this.#host) return this.#host;
    if (this.count === 0) return new Float32Array(0);
    const handle = this.handle();
    if (!(handle instanceof Promise)) return this.device.read(handle);
    this.retain();
    return handle.then((known) => this.device.read(known)).finally(() => this.release());
  }
}

interface Stretch {
  readonly whole: Cells;
  readonly first: number;
}

/** Whoever asks for a value gets its failure; one that nobody asks for must not end the program. */
function quiet<T>(value: Later<T> | null): Later<T> | null {
  if (value instanceof Promise) value.catch(() => {});
  return value;
}
