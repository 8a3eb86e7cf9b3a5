// Validates the cases of the standard input with a Go validator, whose patterns are RE2; prints a
// list of booleans. A schema that does not compile ends the program.
package main

import (
	"encoding/json"
	"log"
	"os"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

type input struct {
	Schemas []string `json:"schemas"`
	Cases   []struct {
		Schema string `json:"schema"`
		JSON   string `json:"json"`
	} `json:"cases"`
}

func main() {
	log.SetFlags(0)
	var in input
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		log.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	validators := map[string]*jsonschema.Schema{}
	for _, file := range in.Schemas {
		validators[file] = compiler.MustCompile(file)
	}
	verdicts := make([]bool, len(in.Cases))
	for i, each := range in.Cases {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(each.JSON))
		if err != nil {
			log.Fatal(err)
		}
		verdicts[i] = validators[each.Schema].Validate(value) == nil
	}
	if err := json.NewEncoder(os.Stdout).Encode(verdicts); err != nil {
		log.Fatal(err)
	}
}
