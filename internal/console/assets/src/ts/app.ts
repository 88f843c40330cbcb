// The script of all pages. Every page works without it; what it adds is that
// parts of a page change in place, that times grow older, and keys.
import { live } from "./live";
import { times } from "./time";

live();
times();
