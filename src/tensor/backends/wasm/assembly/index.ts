export { setScratch } from "./job";
export { alone, serve, together } from "./pool";
