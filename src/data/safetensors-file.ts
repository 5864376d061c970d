import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { DataError } from "../tensor/errors.ts";
import {
  decodeSafetensors,
  parseSafetensorsHeader,
  type SafetensorsArray,
  type SafetensorsPlace,
  safetensorsHeaderLength,
} from "./safetensors.ts";

/** A tensor of a file whose values are read each time they are asked for, so that nothing of them stays in memory. */
export interface StoredTensor extends Pick<SafetensorsPlace, "dtype" | "shape"> {
  readonly data: SafetensorsArray;
}

/** An open safetensors file: only its header is in memory. */
export class SafetensorsFile {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly #descriptor: number;

  /** @throws {DataError} as `parseSafetensors`, and when the file cannot be opened */
  constructor(readonly path: string) {
    this.#descriptor = open(path);
    try {
      const { size } = fstatSync(this.#descriptor);
      const head = this.#read(0, Math.min(8, size));
      const header = this.#read(0, safetensorsHeaderLength(head, size, path));
      const { places, metadata, start } = parseSafetensorsHeader(header, size, path);
      this.metadata = metadata;
      this.tensors = new Map([...places].map(([name, place]) => [name, this.#tensor(name, place, start)]));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #tensor(name: string, { dtype, shape, begin, end }: SafetensorsPlace, start: number): StoredTensor {
    const read = () => this.#read(start + begin, end - begin);
    const label = `${this.path}: tensor ${name}`;
    return {
      ...{ dtype, shape },
      get data() {
        return decodeSafetensors(dtype, read(), label);
      },
    };
  }

  #read(position: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const count = readSync(this.#descriptor, bytes, done, length - done, position + done);
      if (count === 0) throw new DataError(`${this.path}: the file ended at byte ${position + done} while it was read`);
      done += count;
    }
    return bytes;
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

function open(path: string): number {
  try {
    return openSync(path, "r");
  } catch (cause) {
    throw new DataError(`${path}: cannot be read: ${(cause as Error).message}`, { cause });
  }
}
