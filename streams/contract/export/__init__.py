"""The JSON Schemas and the AsyncAPI document, generated from the records' types. Nothing at run time uses it."""
