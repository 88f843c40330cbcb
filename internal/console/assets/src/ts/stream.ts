// A stream of server-sent events by fetch, which, unlike an EventSource, tells
// why it could not be opened, and notices when nothing comes any more.

// silence is how long a stream may say nothing; the hub gives a sign of life
// three times as often.
const silence = 45_000;

export interface Listener {
  opened(): void;
  event(name: string, data: string): void;
  alive(): void;
}

// listen reads a stream until it ends or is aborted, and returns the status
// that it was answered with, or 0 if it was not answered, or ended.
export async function listen(address: string, stop: AbortSignal, to: Listener): Promise<number> {
  const quiet = new AbortController();
  let timer: number | undefined;
  const heard = () => { clearTimeout(timer); timer = window.setTimeout(() => quiet.abort(), silence); };
  heard();
  try {
    const answer = await fetch(address, { signal: AbortSignal.any([stop, quiet.signal]), headers: { Accept: "text/event-stream" }, redirect: "manual", cache: "no-store" });
    if (!answer.ok || !answer.body) return answer.type === "opaqueredirect" ? 401 : answer.status;
    to.opened();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ;) {
      const { done, value } = await reader.read();
      if (done) return 0;
      heard();
      to.alive();
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop()!;
      for (const block of blocks) tell(block, to);
    }
  } catch {
    return 0; // no connection, or silence, or not wanted any more
  } finally {
    clearTimeout(timer);
  }
}

function tell(block: string, to: Listener): void {
  let name = "";
  const data: string[] = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    else if (line.startsWith("data: ")) data.push(line.slice(6));
    else if (line === "data:") data.push("");
  }
  if (name) to.event(name, data.join("\n"));
}
