// Requests to the agent: with the key, a time limit, and errors that say what to do.

const TIMEOUT_MS = 8000;
const STORED = "weir.key";

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const key = {
  load: () => sessionStorage.getItem(STORED),
  keep: (value) => sessionStorage.setItem(STORED, value),
  forget: () => sessionStorage.removeItem(STORED),
};

/** The JSON at `path`; throws an `ApiError`, or an `AbortError` when `signal` ended it. */
export async function get(path, { signal, bearer = key.load() } = {}) {
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  const headers = bearer ? { Authorization: `Bearer ${bearer}` } : {};
  let response;
  try {
    response = await fetch(path, { headers, cache: "no-store", signal: signal ? AbortSignal.any([signal, limit]) : limit });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, limit.aborted ? "It did not answer in time." : "It cannot be reached. Is it running?");
  }
  let body;
  try {
    body = await response.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(response.status, `It answered ${response.status} without readable data.`);
  }
  if (!response.ok) throw new ApiError(response.status, body?.detail ?? `It answered ${response.status}.`);
  return body;
}
