export { abandon, alone, launch, serve, settle } from "./pool";
