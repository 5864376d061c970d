export { alone, serve, together } from "./pool";
