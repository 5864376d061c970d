import { createHash, randomUUID } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync } from "node:fs";
import { open, writeFile } from "node:fs/promises";
import path from "node:path";
import { getHFHubCachePath, getRepoFolderName, REGEX_COMMIT_HASH } from "@huggingface/hub";
import { DataError } from "../tensor/errors.ts";
import { writeFileAtomic } from "./files.ts";
import { isModelFolder } from "./model-folder.ts";

/** A file of a repository, as the hub lists it. */
export interface HubFile {
  readonly name: string;
  readonly size: number;
  /** SHA-256 of the content for a file of Git LFS, else Git's SHA-1 of the content with its length before it. */
  readonly hash: string;
}

/**
 * One model in the cache that Hugging Face's own libraries share: `blobs/<hash>` is content, `snapshots/<commit>/<name>`
 * links to it, `refs/<revision>` holds the commit that a branch or tag stood for.
 *
 * The library's `downloadFileToCacheDir` writes the same, but takes for whole what ends early without an error, and lets
 * two processes write into one temporary file; here content counts once its length and hash are found right.
 */
export class HubCache {
  readonly #folder: string;

  /** @param folder of the cache; by default what HF_HUB_CACHE or HF_HOME say, else `~/.cache/huggingface/hub` */
  constructor(repo: string, folder = getHFHubCachePath()) {
    this.#folder = path.join(path.resolve(folder), getRepoFolderName({ type: "model", name: repo }));
  }

  snapshot(commit: string): string {
    return path.join(this.#folder, "snapshots", commit);
  }

  /** The commit of a revision when it was last pulled, where its files are still here; else null. */
  commitOf(revision: string): string | null {
    const ref = this.#ref(revision);
    const commit = existsSync(ref) ? readFileSync(ref, "utf8").trim() : revision;
    return REGEX_COMMIT_HASH.test(commit) && isModelFolder(this.snapshot(commit)) ? commit : null;
  }

  setCommitOf(revision: string, commit: string): void {
    if (revision !== commit) writeFileAtomic(this.#ref(revision), commit);
  }

  has(commit: string, { name, size }: HubFile): boolean {
    return sizeOf(path.join(this.snapshot(commit), name)) === size;
  }

  /**
   * Puts a file into a snapshot; its content is asked for only where no snapshot has the same.
   *
   * @param onBytes hears how many bytes came, each time some did
   * @throws {DataError} when the content is not what the hub listed; nothing of it stays
   */
  async add(
    commit: string,
    { name, size, hash }: HubFile,
    content: () => Promise<AsyncIterable<Uint8Array>>,
    onBytes: (count: number) => void,
  ): Promise<void> {
    const [blob, link] = [path.join(this.#folder, "blobs", hash), path.join(this.snapshot(commit), name)];
    for (const file of [blob, link]) mkdirSync(path.dirname(file), { recursive: true });
    if (sizeOf(blob) !== size) {
      const temporary = `${blob}.${randomUUID()}.incomplete`;
      const remove = () => rmSync(temporary, { force: true });
      process.once("exit", remove);
      try {
        await writeChecked(temporary, { name, size, hash }, await content(), onBytes);
        renameSync(temporary, blob);
      } finally {
        remove();
        process.off("exit", remove);
      }
    }
    rmSync(link, { force: true });
    try {
      symlinkSync(path.relative(path.dirname(link), blob), link);
    } catch {
      copyFileSync(blob, link); // Windows lets only some users make links
    }
  }

  #ref(revision: string): string {
    return path.join(this.#folder, "refs", revision);
  }
}

function sizeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.size;
}

/** Writes content and forces it to the disk. @throws {DataError} when its length or its hash is not the listed one */
async function writeChecked(
  file: string,
  { size, hash }: HubFile,
  content: AsyncIterable<Uint8Array>,
  onBytes: (count: number) => void,
): Promise<void> {
  const digest = hash.length === 64 ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
  let received = 0;
  async function* passing() {
    for await (const bytes of content) {
      digest.update(bytes);
      received += bytes.length;
      onBytes(bytes.length);
      yield bytes;
    }
  }
  const handle = await open(file, "w");
  try {
    await writeFile(handle, passing());
    await handle.sync();
  } finally {
    await handle.close();
  }
  if (received !== size) throw new DataError(`${received} of ${size} bytes came; pull again`);
  if (digest.digest("hex") !== hash) throw new DataError("what came is not what the hub lists; pull again");
}
