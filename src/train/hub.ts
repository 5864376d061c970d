import {
  checkRepoAccess,
  downloadFile,
  HUB_URL,
  HubApiError,
  listFiles,
  modelInfo,
  REGEX_COMMIT_HASH,
} from "@huggingface/hub";
import { ConfigError, DataError } from "../tensor/errors.ts";
import { HubCache, type HubFile } from "./hub-cache.ts";

/** A checkpoint on the Hugging Face Hub, or on another of its kind. */
export interface HubModel {
  /** Owner and name, as `dandelin/vilt-b32-mlm`. */
  readonly repo: string;
  /** A branch, a tag or a commit; `main` by default. */
  readonly revision?: string | undefined;
  /** Address of the hub. */
  readonly hub?: string | undefined;
  /** Folder of the cache; where Hugging Face's libraries keep theirs by default. */
  readonly cache?: string | undefined;
  readonly token?: string | undefined;
}

/** A checkpoint that is now in the cache. */
export interface Pulled {
  /** A checkpoint folder, as `openModelFolder` takes it. */
  readonly folder: string;
  readonly commit: string;
  /** Bytes that had to be fetched. */
  readonly fetched: number;
  /** Why the hub could not be asked, so that the folder is what the cache had for the revision; null where it could. */
  readonly offline: string | null;
}

/** Hears the file that is being fetched, and of all bytes to fetch how many came. */
export type OnPullProgress = (file: string, done: number, total: number) => void;

const WEIGHTS = "model.safetensors";

/** The files that are of use. The weights come last: a snapshot that has them has the others. */
const FILES: readonly string[] = [
  ...["config.json", "preprocessor_config.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json"],
  ...["special_tokens_map.json", WEIGHTS],
];

/** What every request says, in the library's names. */
interface Source {
  readonly repo: { readonly type: "model"; readonly name: string };
  readonly hubUrl: string;
  readonly accessToken?: string;
}

/**
 * Fetches what we can use of a checkpoint, as far as the cache does not have it. A hub that cannot be reached is no
 * error where the cache has the revision.
 *
 * @throws {ConfigError} for a repository, revision or address that cannot be one
 * @throws {DataError} naming the repository and what is wrong: it is not there, not open to us, without weights that we
 *   can read, the hub does not answer, or a file did not arrive whole
 */
export async function pullModel(
  { repo, revision = "main", hub = HUB_URL, cache: cacheFolder, token }: HubModel,
  onProgress: OnPullProgress = () => {},
): Promise<Pulled> {
  if (!/^(\w[\w.-]*\/)?\w[\w.-]*$/.test(repo) || /\.\.|--/.test(repo))
    throw new ConfigError(`pull: ${repo} is not the name of a repository; it is like dandelin/vilt-b32-mlm`);
  if (revision === "" || revision.split(/[/\\]/).includes(".."))
    throw new ConfigError(`pull: "${revision}" is not a branch, a tag or a commit`);
  if (!/^https?:/.test(hub) || !URL.canParse(hub)) throw new ConfigError(`pull: ${hub} is not an address of a hub`);
  const source: Source = {
    repo: { type: "model", name: repo },
    hubUrl: hub.replace(/\/+$/, ""),
    ...(token && { accessToken: token }),
  };
  const cache = new HubCache(repo, cacheFolder);
  let found: Awaited<ReturnType<typeof look>>;
  try {
    found = await look(source, revision);
  } catch (error) {
    const [offline, commit] = [outageOf(error), cache.commitOf(revision)];
    if (offline === null || commit === null) throw await explained(error, source, revision);
    return { folder: cache.snapshot(commit), commit, fetched: 0, offline: `${source.hubUrl} ${offline}` };
  }
  const { commit, files } = found;
  const fetched = await fetchFiles(source, commit, files, cache, onProgress);
  cache.setCommitOf(revision, commit);
  return { folder: cache.snapshot(commit), commit, fetched, offline: null };
}

/** The commit that a revision stands for, and the files of use there. */
async function look(source: Source, revision: string): Promise<{ commit: string; files: readonly HubFile[] }> {
  const { sha: commit } = await modelInfo({
    ...{ ...source, name: source.repo.name },
    ...{ revision, additionalFields: ["sha"] },
  });
  if (!REGEX_COMMIT_HASH.test(commit)) throw new Error(`"${commit}" for a commit`);
  const listed = new Map<string, HubFile>();
  for await (const { type, path: name, size, oid, lfs } of listFiles({ ...source, revision: commit })) {
    if (type !== "file") continue;
    const hash = lfs?.oid ?? oid ?? "";
    if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hash)) throw new Error(`"${hash}" for the hash of ${name}`);
    listed.set(name, { name, size, hash });
  }
  expectUsable([...listed.keys()]);
  return { commit, files: FILES.flatMap((name) => listed.get(name) ?? []) };
}

function expectUsable(names: readonly string[]): void {
  if (names.includes("config.json") && names.includes(WEIGHTS)) return;
  if (names.includes(WEIGHTS)) throw new DataError(`no config.json beside ${WEIGHTS}`);
  const others = names.filter((name) => /\.(safetensors|bin|h5|msgpack|ckpt|pth?|onnx)$/.test(name));
  if (names.includes(`${WEIGHTS}.index.json`))
    throw new DataError(
      `its weights are split over ${others.length} files, which is not supported; save_pretrained(folder, max_shard_size="100GB") of transformers writes one`,
    );
  throw new DataError(
    others.length > 0
      ? `no ${WEIGHTS}, only ${others.join(", ")}; convert it first, with save_pretrained(folder, safe_serialization=True) of transformers`
      : `no ${WEIGHTS}, nor other weights`,
  );
}

/** Fetches what the snapshot lacks; answers how many bytes that were. */
async function fetchFiles(
  source: Source,
  commit: string,
  files: readonly HubFile[],
  cache: HubCache,
  onProgress: OnPullProgress,
): Promise<number> {
  const missing = files.filter((file) => !cache.has(commit, file));
  const total = missing.reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  for (const file of missing) {
    const content = async () => {
      const blob = await downloadFile({ ...source, path: file.name, revision: commit });
      if (!blob) throw new DataError("listed, but not there");
      return blob.stream() as unknown as AsyncIterable<Uint8Array>; // of the DOM's types, which lack the iterator
    };
    try {
      await cache.add(commit, file, content, (count) => {
        done += count;
        onProgress(file.name, done, total);
      });
    } catch (error) {
      throw await explained(error, source, commit, `${file.name}: `);
    }
  }
  return done;
}

/** How a hub is out of order that cannot be reached or fails itself; null for any other error. */
function outageOf(error: unknown): string | null {
  if (error instanceof HubApiError) return error.statusCode >= 500 ? `answers ${error.statusCode}` : null;
  if (!(error instanceof TypeError && error.cause instanceof Error)) return null;
  const { message, code } = error.cause as NodeJS.ErrnoException;
  return `${error.message === "terminated" ? "broke off" : "cannot be reached"}: ${message || code}`;
}

/** An error of the library, or of the network below it, as one line that names the repository and the cause. */
async function explained(error: unknown, source: Source, revision: string, file = ""): Promise<unknown> {
  if (error instanceof Error && "syscall" in error) return error; // of the disk
  const { repo, hubUrl, accessToken } = source;
  const because = (text: string) => new DataError(`${repo.name}: ${file}${text.split("\n")[0]}`, { cause: error });
  const outage = outageOf(error);
  if (outage !== null) return because(`${hubUrl} ${outage}`);
  if (error instanceof DataError) return because(error.message);
  if (!(error instanceof HubApiError)) return because(`${hubUrl} does not answer as a hub does: ${error}`);
  const { statusCode, data } = error;
  const answer = [data?.error, data?.message].find((text) => typeof text === "string" && !text.startsWith("<"));
  const said = answer ? `, ${String(answer).split("\n")[0]}` : "";
  if (statusCode === 401 || statusCode === 403) {
    const token = accessToken ? "the token in HF_TOKEN does not open it" : "a token in HF_TOKEN may open it";
    return because(`${hubUrl} refuses it (${statusCode}${said}); it is private or gated, or not there; ${token}`);
  }
  if (statusCode !== 404 || file) return because(`${hubUrl} answers ${statusCode}${said}`);
  const isThere = await checkRepoAccess(source).then(
    () => true,
    () => false,
  );
  return because(
    isThere ? `there is no revision ${revision} at ${hubUrl}` : `there is no such repository at ${hubUrl}`,
  );
}
