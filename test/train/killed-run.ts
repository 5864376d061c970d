import { type NewRun, startRun, train } from "../../src/train/run.ts";
import "../support.ts";

/** Starts a run and dies after one of its steps as by `kill -9`: nothing is flushed, nobody can say goodbye. */
const { lastStep, ...options } = JSON.parse(process.argv[2]!) as NewRun & { lastStep: number };
await train(await startRun(options), {
  checkpointEvery: 4,
  onStep: ({ step }) => {
    if (step === lastStep) process.kill(process.pid, "SIGKILL");
  },
});
