import { asError, MillraceError } from "../lib/errors.ts";
import type { AnyEvent } from "./event.ts";
import type { EventRecord } from "./event-record.ts";
import { type Validation, validate } from "./schema.ts";

/**
 * A stored event's data as its handlers get it: parsed, brought up to today's version step by step,
 * and checked by today's schema. Synchronous where the schema is.
 *
 * @throws MR_DATA_INVALID with the faults, or where a step failed; MR_DATA_VERSION where the data
 *   are of a later version than this application knows
 */
export function readData(definition: AnyEvent, event: EventRecord): unknown {
  const data = upgraded(definition, event);
  const checking = validate(definition.data, data);
  return checking instanceof Promise
    ? checking.then((checked) => checkedValue(checked, event))
    : checkedValue(checking, event);
}

function checkedValue(checked: Validation<unknown>, { type, attributes }: EventRecord): unknown {
  if (checked.faults === undefined) return checked.value;
  const version = attributes.version === undefined ? "" : ` (version ${attributes.version})`;
  throw new MillraceError(
    "MR_DATA_INVALID",
    `The data${version} does not fit the schema of ${type}.`,
    { faults: checked.faults },
  );
}

function upgraded({ type, version, upgrade }: AnyEvent, event: EventRecord): unknown {
  const stored = event.attributes.version ?? 1;
  if (stored > version) {
    throw new MillraceError(
      "MR_DATA_VERSION",
      `The data of this ${type} are of version ${stored}; this application knows ${version}.`,
      { remedy: "Run the newer application, or one that can read both." },
    );
  }
  let data: unknown = JSON.parse(event.data);
  for (let from = stored; from < version; from++) {
    try {
      data = upgrade[from]?.(data);
    } catch (thrown) {
      throw new MillraceError(
        "MR_DATA_INVALID",
        `The upgrade of ${type} from version ${from} failed: ${asError(thrown).message}`,
        { cause: thrown },
      );
    }
  }
  return data;
}
