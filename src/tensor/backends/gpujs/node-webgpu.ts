/** What the npm package `webgpu` exports: Dawn, as it is in Chromium, for Node. */
interface WebGpuPackage {
  create(options: readonly string[]): unknown;
  readonly globals: object;
}

/**
 * Gives Node the WebGPU of the npm package `webgpu`, or of the file that VILTGRAD_WEBGPU names, where one can be loaded.
 * An engine that has its own keeps it.
 */
export async function provideWebGpu(): Promise<void> {
  const { process, navigator } = globalThis as {
    process?: {
      readonly versions: { readonly node?: string };
      readonly env: Readonly<Record<string, string | undefined>>;
    };
    navigator?: { readonly gpu?: unknown };
  };
  if (navigator?.gpu || !process?.versions?.node) return;
  try {
    const { create, globals } = (await import(
      /* @vite-ignore */ process.env.VILTGRAD_WEBGPU ?? "webgpu"
    )) as WebGpuPackage;
    Object.assign(globalThis, globals);
    const value = Object.assign(Object.create(navigator ?? null), { gpu: create([]) });
    Object.defineProperty(globalThis, "navigator", { value, configurable: true });
  } catch {
    // Without it there is no such mode here.
  }
}
