import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import path from "node:path";

/**
 * Writes a file so that a reader sees the old content or the new one, never a part: into a temporary file beside it,
 * forced to the disk, then renamed over it. Content that comes in parts need not be in memory at once.
 */
export function writeFileAtomic(file: string, content: Uint8Array | string | Iterable<Uint8Array>): void {
  mkdirSync(path.dirname(file), { recursive: true });
  const parts =
    typeof content === "string" ? [Buffer.from(content)] : content instanceof Uint8Array ? [content] : content;
  const temporary = `${file}.tmp`; // always the same: what a killed process leaves, the next one overwrites
  const descriptor = openSync(temporary, "w");
  try {
    try {
      for (const bytes of parts) for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
