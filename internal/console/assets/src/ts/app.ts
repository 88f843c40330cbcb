// The script of all pages. Every page works without it; what it adds is that
// parts of a page change in place, that times grow older, and keys.
import { dialogs } from "./dialog";
import { forms } from "./forms";
import { jump } from "./jump";
import { keys } from "./keys";
import { live } from "./live";
import { tables } from "./table";
import { tabs } from "./tabs";
import { times } from "./time";

live();
times();
dialogs();
forms();
tables();
tabs();
keys();
jump();
