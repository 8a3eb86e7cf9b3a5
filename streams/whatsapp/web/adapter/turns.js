/*
 * The turns of submits. A submit may name the message after which it is submitted: it goes on in the very turn of
 * the event loop in which that one is accepted by the server, and so without a way through Python. Whatever else becomes of
 * that message, the submit is not begun: only the sender knows what follows from a refusal. A refusal of any message by the
 * server ends the turns of all that wait, and so does the sender when its account may send nothing more. Nothing here may send.
 */
(shared) => {
  "use strict";

  const { AdapterError } = shared;

  const MAX_TURNS = 100;

  // By id: a promise of whether the last submit of this document was accepted, in the order of the submits.
  const turns = new Map();

  // One for each submit that waits: called with false, it is not begun.
  const waiting = new Set();

  // `end` is called with the result; only the first call counts.
  function beginTurn(id) {
    const turn = {};
    const accepted = new Promise((resolve) => { turn.end = resolve; });
    turns.delete(id);
    turns.set(id, accepted);
    if (turns.size > MAX_TURNS) turns.delete(turns.keys().next().value);
    return turn;
  }

  async function waitForTurn({ after, after_timeout_ms }) {
    if (!after) return;
    let timer = null;
    let stop = null;
    const stopped = new Promise((resolve) => {
      stop = resolve;
      timer = setTimeout(() => resolve(false), after_timeout_ms);
    });
    waiting.add(stop);
    const isAccepted = await Promise.race([stopped, turns.get(after) || false]);
    clearTimeout(timer);
    waiting.delete(stop);
    if (!isAccepted) throw new AdapterError("not_begun", "the message before it was not accepted");
  }

  // Nothing that was handed over before now follows another message; each asks the sender for permission again.
  function stopTurns() {
    for (const stop of waiting) stop(false);
    turns.clear();
  }

  // The sender may send no more for now.
  function stop_turns() {
    stopTurns();
    return {};
  }

  return { calls: { stop_turns }, internal: { beginTurn, stopTurns, waitForTurn } };
}
