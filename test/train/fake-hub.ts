import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";

/** How a file that is asked for goes wrong. */
export type Fault = "cut" | "short" | "changed" | "stall" | number;

interface Repository {
  readonly files: ReadonlyMap<string, Buffer>;
  /** Commits of branches; the files are the same at all of them. */
  readonly refs: Record<string, string>;
}

const digest = (algorithm: string, ...parts: (string | Buffer)[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash(algorithm)).digest("hex");
const isLarge = (name: string) => /\.(safetensors|bin)$/.test(name);
const hashOf = (name: string, content: Buffer) =>
  isLarge(name) ? digest("sha256", content) : digest("sha1", `blob ${content.length}\0`, content);

/** As much of the Hugging Face Hub as a download needs, on loopback: its addresses, answers and errors. */
export class FakeHub {
  /** Method and path of every request, in order. */
  readonly requests: string[] = [];
  readonly tokens = new Set<string | undefined>();
  readonly repositories = new Map<string, Repository>();
  /** By the name of a file, or by "api" for the questions about repositories. */
  readonly faults = new Map<string, Fault>();
  readonly #server: Server;
  #url = "";

  private constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  /** A hub that stops with the test. */
  static async start(t: { teardown(stop: () => void): unknown }): Promise<FakeHub> {
    const hub = new FakeHub();
    await new Promise<void>((resolve) => hub.#server.listen(0, "127.0.0.1", resolve));
    hub.#url = `http://127.0.0.1:${(hub.#server.address() as AddressInfo).port}`;
    t.teardown(() => hub.stop());
    return hub;
  }

  get url(): string {
    return this.#url;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** A repository with these files, or with those of a folder. */
  add(name: string, files: string | Record<string, string | Buffer>, refs: Record<string, string> = {}): void {
    const contents =
      typeof files === "string"
        ? readdirSync(files).map((file) => [file, readFileSync(path.join(files, file))] as const)
        : Object.entries(files).map(([file, content]) => [file, Buffer.from(content)] as const);
    this.repositories.set(name, { files: new Map(contents), refs: { main: "a".repeat(40), ...refs } });
  }

  /** Requests since the last call, without the address of the commit. */
  takeRequests(): string[] {
    return this.requests.splice(0).map((line) => line.replace(/[0-9a-f]{40}/, "COMMIT"));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname } = new URL(request.url!, this.url);
    this.requests.push(`${request.method} ${pathname}`);
    this.tokens.add(request.headers.authorization);
    const [, api, name, kind, revision, file] =
      /^\/(api\/models\/)?([^/]+\/[^/]+)(?:\/(revision|tree|paths-info|resolve)\/([^/]+)(?:\/(.+))?)?$/.exec(
        pathname,
      ) ?? [];
    const refuse = (status: number, error: string) =>
      response.writeHead(status, { "Content-Type": "application/json; charset=utf-8" }).end(JSON.stringify({ error }));
    const fault = this.faults.get(api ? "api" : file!);
    if (typeof fault === "number")
      return void refuse(fault, fault < 500 ? "Access to this model is restricted." : "Internal Error");
    const repository = this.repositories.get(name!);
    if (!repository) return void refuse(request.headers.authorization ? 404 : 401, "Repository not found");
    const { files, refs } = repository;
    const wanted = revision && decodeURIComponent(revision);
    const commit = wanted && (refs[wanted] ?? Object.values(refs).find((commit) => commit === wanted));
    if (kind && !commit) return void refuse(404, `Invalid rev id: ${wanted}`);
    if (!api) return void this.#send(request, response, file!, files.get(file!)!, fault);
    const entries = [...files].map(([path, content]) => ({
      ...{ type: "file", path, size: content.length, lastCommit: { id: commit, title: "", date: "2024-01-01" } },
      oid: isLarge(path) ? digest("sha1", "a pointer to ", path) : hashOf(path, content),
      ...(isLarge(path) && { lfs: { oid: hashOf(path, content), size: content.length, pointerSize: 134 } }),
    }));
    const folder = { type: "directory", path: "onnx", size: 0, oid: "0".repeat(40) };
    const info = { _id: "0", id: name, sha: commit, private: false, gated: false, lastModified: "2024-01-01" };
    const answer = kind === "tree" || kind === "paths-info" ? [folder, ...entries] : info;
    if (kind !== "paths-info")
      return void response.setHeader("Content-Type", "application/json").end(JSON.stringify(answer));
    request.setEncoding("utf8").on("data", (text: string) => {
      const { paths } = JSON.parse(text) as { paths: string[] };
      response.end(JSON.stringify(entries.filter(({ path }) => paths.includes(path))));
    });
  }

  #send(request: IncomingMessage, response: ServerResponse, name: string, content: Buffer, fault?: Fault): void {
    response.setHeader("ETag", `"${hashOf(name, content)}"`);
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
    if (from && to) {
      const part = content.subarray(Number(from), Number(to) + 1);
      const range = `bytes ${from}-${to}/${content.length}`;
      return void response.writeHead(206, { "Content-Range": range, "Content-Length": part.length }).end(part);
    }
    const half = content.subarray(0, content.length / 2);
    if (fault === "short") return void response.writeHead(200, { Connection: "close" }).end(half);
    response.writeHead(200, { "Content-Length": content.length });
    if (fault === "cut") return void response.write(half, () => response.destroy());
    if (fault === "stall") return void response.write(half);
    response.end(fault === "changed" ? Buffer.from(content.map((byte) => byte ^ 1)) : content);
  }
}
