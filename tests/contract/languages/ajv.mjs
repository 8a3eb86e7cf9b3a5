// Validates the cases of the standard input with Ajv in strict mode; prints a list of booleans.
// No option of Ajv is relaxed. A schema that does not compile ends the program.
import { readFileSync } from "node:fs";
import addFormats from "ajv-formats";
import { Ajv2020 } from "ajv/dist/2020.js";

const ajv = new Ajv2020({ strict: true });
addFormats.default(ajv);

const { schemas, cases } = JSON.parse(readFileSync(0, "utf8"));
const validators = Object.fromEntries(
  schemas.map((file) => [file, ajv.compile(JSON.parse(readFileSync(file, "utf8")))]),
);
const verdicts = cases.map(({ schema, json }) => validators[schema](JSON.parse(json)));
console.log(JSON.stringify(verdicts));
