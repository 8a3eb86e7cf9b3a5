// Prints the source that quicktype writes for the sources of the standard input, in one language.
import { readFileSync } from "node:fs";
import { FetchingJSONSchemaStore, InputData, JSONSchemaInput, quicktype } from "quicktype-core";

const { language, sources } = JSON.parse(readFileSync(0, "utf8"));
const schemas = new JSONSchemaInput(new FetchingJSONSchemaStore());
for (const { name, file, uris } of sources) {
  await schemas.addSource({ name, schema: readFileSync(file, "utf8"), uris });
}
const inputData = new InputData();
inputData.addInput(schemas);
const { lines } = await quicktype({
  inputData,
  lang: language,
  rendererOptions: { "just-types": true },
});
console.log(JSON.stringify(lines.join("\n")));
