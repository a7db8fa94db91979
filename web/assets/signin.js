// The key, asked for once per tab.

import { $, put } from "./dom.js";
import { ApiError, get, key } from "./api.js";

/** Shows the form with `reason`; `entered()` is called once a key was good. */
export function ask(reason, entered) {
  const [form, input] = [$("signin-form"), $("key")];
  $("signin").hidden = false;
  put($("signin-error"), reason);
  form.onsubmit = async (event) => {
    event.preventDefault();
    const value = input.value.trim();
    put($("signin-error"), "");
    try {
      await check(value);
    } catch (error) {
      put($("signin-error"), text(error));
      input.select();
      return;
    }
    key.keep(value);
    input.value = "";
    $("signin").hidden = true;
    entered();
  };
  input.focus();
}

function check(value) {
  if (!/^[\x21-\x7e]+$/.test(value)) throw new ApiError(401, "");
  return get("/v1/metrics", { bearer: value });
}

function text(error) {
  if (error.status === 401) return "This key is not known here. Check that it is whole and belongs to this device.";
  if (error.status === 403) return "This key is known, but may not read metrics. Use one with the scope read_metrics, or the admin key.";
  return `The key could not be checked. ${error.message}`;
}
