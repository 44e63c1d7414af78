import type { StandardSchemaV1 } from "@standard-schema/spec";
import { type Fault, jsonPointer } from "../lib/errors.ts";

/** Any Standard Schema (zod, ArkType, Valibot, …) from `Input` to `Output`. */
export type Schema<Input = unknown, Output = Input> = StandardSchemaV1<Input, Output>;
export type InputOf<S extends Schema> = StandardSchemaV1.InferInput<S>;
export type OutputOf<S extends Schema> = StandardSchemaV1.InferOutput<S>;

export type Validation<Output> =
  | { readonly value: Output; readonly faults?: undefined }
  | { readonly faults: readonly Fault[] };

/** Runs a schema. Stays synchronous where the schema does: validation is on the hot path. */
export function validate<Output>(
  schema: Schema<unknown, Output>,
  value: unknown,
): Validation<Output> | Promise<Validation<Output>> {
  const result = schema["~standard"].validate(value);
  return result instanceof Promise ? result.then(toValidation) : toValidation(result);
}

function toValidation<Output>(result: StandardSchemaV1.Result<Output>): Validation<Output> {
  if (result.issues === undefined) return { value: result.value };
  return {
    faults: result.issues.map((issue) => ({
      detail: issue.message,
      pointer: jsonPointer(issue.path ?? []),
    })),
  };
}

/** The schema's JSON Schema (draft 2020-12), or undefined where its library offers none. */
export function jsonSchemaOf(schema: Schema): Record<string, unknown> | undefined {
  const standard = schema["~standard"] as {
    readonly jsonSchema?: { input(options: { target: string }): Record<string, unknown> };
  };
  return standard.jsonSchema?.input({ target: "draft-2020-12" });
}
