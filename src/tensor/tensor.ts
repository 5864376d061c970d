import type { NdArray } from "ndarray";
import ndarray from "ndarray";
import type { Backend, Storage } from "./backend.ts";
import type { DType, TypedArray } from "./dtype.ts";
import { ReleasedError, ShapeError } from "./errors.ts";
import { noteMaker, noteRelease } from "./memory.ts";
import { Scoped } from "./scope.ts";
import { type Shape, sizeOf } from "./shape.ts";

/**
 * An immutable handle on a row-major array of one device. It has never heard of a derivative: `origin` is where the
 * layer above notes what the tensor was computed from.
 */
export class Tensor extends Scoped {
  readonly size: number;
  readonly dtype: DType;
  /** What made this tensor; belongs to autograd. */
  origin: unknown = null;
  #storage: Storage | null;
  #releasedBy = "";

  /** @param operation the operation that made it, for messages and `memory()` */
  constructor(
    readonly backend: Backend,
    readonly shape: Shape,
    storage: Storage,
    readonly operation: string,
  ) {
    super();
    this.size = sizeOf(shape);
    this.dtype = storage.dtype;
    this.#storage = storage;
    noteMaker(backend.name, storage, operation, shape);
  }

  get rank(): number {
    return this.shape.length;
  }

  get device(): string {
    return this.backend.name;
  }

  /** @throws {ReleasedError} after release */
  get storage(): Storage {
    if (this.#storage === null)
      throw new ReleasedError(
        `the result of ${this.operation} ([${this.shape.join(", ")}]) was released by ${this.#releasedBy}; keep() it to read it later`,
      );
    return this.#storage;
  }

  get isReleased(): boolean {
    return this.#storage === null;
  }

  /** What gave the memory back; empty before that. */
  get releasedBy(): string {
    return this.#releasedBy;
  }

  /** Other handles on the same memory stay readable. */
  override release(by = "release()"): void {
    const storage = this.#storage;
    if (storage === null) return;
    this.#storage = null;
    this.#releasedBy = by;
    if (--storage.references > 0) return;
    noteRelease(storage);
    this.backend.release(storage);
  }

  override keep(): this {
    const holding = this.#storage?.holding;
    if (holding) holding.isKept = true;
    return super.keep();
  }

  /** Another handle on the same memory, of the same size, with its own life and no history. */
  alias(shape: Shape = this.shape, operation = "alias"): Tensor {
    const { storage } = this;
    storage.references++;
    return new Tensor(this.backend, shape, storage, operation);
  }

  /** A copy of the values, in row-major order. */
  async data(): Promise<TypedArray> {
    return this.backend.read(this.storage);
  }

  /** The same at once. @throws {DeviceError} on a device that cannot */
  dataSync(): TypedArray {
    return this.backend.readSync(this.storage);
  }

  /** The value of a tensor of one element. */
  item(): number {
    if (this.size !== 1)
      throw new ShapeError("item", `one element is needed, not ${this.size}`, this, "dataSync() reads all of them");
    return this.dataSync()[0]!;
  }

  /** A copy as an `ndarray`, the exchange type with the outside. */
  toNdarray(): NdArray<TypedArray> {
    return ndarray(this.dataSync(), [...this.shape]);
  }
}
